/* Writes N megabytes of lines of 100 bytes to its standard output, then the line "flood BEGAN ENDED" (CLOCK_MONOTONIC, in
 * nanoseconds), and stays until SIGTERM. The pipe holds little of it, so ENDED is when the other end had taken it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100, LINES = 600 };

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv) {
    static char block[LINE * LINES];
    long long began, left = argc > 1 ? atoll(argv[1]) * 1000000 : 0;
    sigset_t wanted;
    int taken;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    memset(block, 'x', sizeof block);
    for (int line = 1; line <= LINES; line++) block[line * LINE - 1] = '\n';
    began = now();
    while (left > 0) {
        ssize_t written = write(1, block, sizeof block);
        if (written != sizeof block) return 1;
        left -= written;
    }
    dprintf(1, "flood %lld %lld\n", began, now());
    sigwait(&wanted, &taken);
    return 0;
}
