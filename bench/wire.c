/* TCP without an effort of its own:
 *   wire serve PORT                    takes one connection after the other
 *   wire stream ADDRESS PORT SECONDS   sends as fast as it goes; prints megabytes per second
 *   wire ping ADDRESS PORT COUNT       one byte there and back; prints the median in microseconds */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 17];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int by_size(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static int open_socket(void) {
    int on = 1, descriptor = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

/* The first byte says what is wanted: s to be swallowed, p to come back. */
static int serve(int port) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = open_socket();
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 8)) return perror("listen"), 1;
    for (;;) {
        int on = 1, peer = accept(listener, NULL, NULL);
        ssize_t got;
        char wish;
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (read(peer, &wish, 1) == 1)
            while ((got = read(peer, block, sizeof block)) > 0)
                if (wish == 'p' && write(peer, block, got) != got) break;
        close(peer);
    }
}

static int stream(int peer, double seconds) {
    double began = now(), bytes = 0;
    if (write(peer, "s", 1) != 1) return 1;
    while (now() - began < seconds) {
        ssize_t sent = write(peer, block, sizeof block);
        if (sent <= 0) return 1;
        bytes += sent;
    }
    /* What is on its way counts only when it has arrived: the other end closes after the last byte. */
    shutdown(peer, SHUT_WR);
    while (read(peer, block, sizeof block) > 0) {}
    printf("%.1f\n", bytes / 1e6 / (now() - began));
    return 0;
}

static int ping(int peer, int count) {
    double *taken = calloc(count, sizeof *taken);
    char byte = 'x';
    if (!taken || write(peer, "p", 1) != 1) return 1;
    for (int number = 0; number < count; number++) {
        double began = now();
        if (write(peer, &byte, 1) != 1 || read(peer, &byte, 1) != 1) return 1;
        taken[number] = now() - began;
    }
    qsort(taken, count, sizeof *taken, by_size);
    printf("%.2f\n", taken[count / 2] * 1e6);
    return 0;
}

int main(int argc, char **argv) {
    struct sockaddr_in there = {.sin_family = AF_INET};
    int peer;
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && !strcmp(argv[1], "serve")) return serve(atoi(argv[2]));
    if (argc != 5 || inet_pton(AF_INET, argv[2], &there.sin_addr) != 1) return 2;
    there.sin_port = htons(atoi(argv[3]));
    peer = open_socket();
    if (connect(peer, (void *)&there, sizeof there)) return perror("connect"), 1;
    return strcmp(argv[1], "stream") ? ping(peer, atoi(argv[4])) : stream(peer, atof(argv[4]));
}
