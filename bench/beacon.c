/* The program that all of them run. Its first act is to print when it was reached: CLOCK_MONOTONIC, in nanoseconds.
 * With an argument it exits then, else at SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv) {
    struct timespec now;
    sigset_t wanted;
    int taken;
    (void)argv;
    clock_gettime(CLOCK_MONOTONIC, &now);
    dprintf(1, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
    if (argc > 1) return 0;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    sigwait(&wanted, &taken);
    return 0;
}
