/* A witness inside a container: answers one question after another and exits 0, or as told.
 * `witness VERB ARGS then VERB ARGS ...`; see the table at the end. An answer that fails is `VERB: error text`. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static int copy(int from, int to) {
    char buffer[65536];
    ssize_t n;
    while ((n = read(from, buffer, sizeof buffer)) > 0)
        if (write(to, buffer, n) != n) return -1;
    return n < 0 ? -1 : 0;
}

static int cat(char **a) {
    int fd = open(a[0], O_RDONLY | O_NONBLOCK);
    fflush(stdout);
    if (fd < 0 || copy(fd, 1) < 0) return fail("cat");
    close(fd);
    return 0;
}

/* write PATH TEXT; append a line to an existing or new file */
static int write_text(char **a) {
    int fd = open(a[0], O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd < 0 || dprintf(fd, "%s\n", a[1]) < 0) return fail("write");
    close(fd);
    puts("written");
    return 0;
}

/* overwrite PATH TEXT: in a file that exists, from its beginning */
static int overwrite(char **a) {
    int fd = open(a[0], O_WRONLY);
    if (fd < 0 || write(fd, a[1], strlen(a[1])) < 0) return fail("overwrite");
    close(fd);
    return 0;
}

static int ls(char **a) {
    struct dirent **names;
    int n = scandir(a[0], &names, NULL, alphasort);
    if (n < 0) return fail("ls");
    for (int i = 0; i < n; i++)
        if (strcmp(names[i]->d_name, ".") && strcmp(names[i]->d_name, "..")) puts(names[i]->d_name);
    return 0;
}

/* stat PATH: type, mode, owner, size, device numbers, link target */
static int stat_path(char **a) {
    struct stat s;
    char target[4096] = "";
    if (lstat(a[0], &s)) return fail("stat");
    if (S_ISLNK(s.st_mode) && readlink(a[0], target, sizeof target - 1) < 0) return fail("stat");
    const char *type = S_ISDIR(s.st_mode) ? "dir" : S_ISREG(s.st_mode) ? "file" : S_ISLNK(s.st_mode) ? "link"
                     : S_ISCHR(s.st_mode) ? "char" : S_ISFIFO(s.st_mode) ? "fifo" : "other";
    printf("%s %04o %d:%d %lld", type, s.st_mode & 07777, s.st_uid, s.st_gid, (long long)s.st_size);
    if (S_ISCHR(s.st_mode)) printf(" %d:%d", major(s.st_rdev), minor(s.st_rdev));
    printf("%s%s\n", *target ? " " : "", target);
    return 0;
}

static int ids(char **a) {
    gid_t groups[256];
    int n = getgroups(256, groups);
    printf("uid=%d euid=%d gid=%d egid=%d groups=", getuid(), geteuid(), getgid(), getegid());
    for (int i = 0; i < n; i++) printf("%s%d", i ? "," : "", groups[i]);
    printf("\n");
    return 0;
}

/* the lines of /proc/self/status that say what it may do and how it takes signals */
static int caps(char **a) {
    char line[512];
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return fail("caps");
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) || !strncmp(line, "Seccomp:", 8) ||
            !strncmp(line, "Sig", 3) || !strncmp(line, "ShdPnd", 6))
            fputs(line, stdout);
    fclose(f);
    return 0;
}

static int mounts(char **a) { return cat((char *[]){"/proc/self/mountinfo"}); }

static int fds(char **a) {
    for (int fd = 0; fd < 65536; fd++) {
        char link[64], target[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n >= 0) printf("%d %.*s\n", fd, (int)n, target);
    }
    return 0;
}

static int env(char **a) {
    for (char **e = environ; *e; e++) puts(*e);
    return 0;
}

static int namespaces(char **a) {
    const char *kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
    for (int i = 0; i < 7; i++) {
        char path[64], target[128];
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n < 0) return fail("namespaces");
        printf("%.*s\n", (int)n, target);
    }
    return 0;
}

/* pid, parent, session, terminal, umask, directory, host name */
static int self(char **a) {
    char cwd[4096] = "", host[256] = "", name[64] = "none";
    mode_t mask = umask(0);
    umask(mask);
    int tty = open("/dev/tty", O_RDWR | O_NOCTTY);
    if (tty >= 0) ttyname_r(0, name, sizeof name);
    int signal = 0;
    prctl(PR_GET_PDEATHSIG, &signal);
    gethostname(host, sizeof host);
    printf("pid=%d ppid=%d sid=%d tty=%s umask=%04o cwd=%s host=%s deathsig=%d\n", getpid(), getppid(), getsid(0),
           name, mask, getcwd(cwd, sizeof cwd) ? cwd : "?", host, signal);
    return 0;
}

/* every process in /proc: pid, name, command line */
static int ps(char **a) {
    for (int pid = 1; pid < 65536; pid++) {
        char path[64], name[64] = "", line[512] = "";
        snprintf(path, sizeof path, "/proc/%d/comm", pid);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (fgets(name, sizeof name, f)) name[strcspn(name, "\n")] = 0;
        fclose(f);
        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        if ((f = fopen(path, "r"))) {
            size_t n = fread(line, 1, sizeof line - 1, f);
            while (n > 1 && !line[n - 2]) n--;
            for (size_t i = 0; i + 1 < n; i++)
                if (!line[i]) line[i] = ' ';
            fclose(f);
        }
        printf("%d %s %s\n", pid, name, line);
    }
    return 0;
}

/* open PATH r|w|rw|c: whether it can be opened so, without reading or writing */
static int open_path(char **a) {
    int flags = !strcmp(a[1], "r") ? O_RDONLY : !strcmp(a[1], "w") ? O_WRONLY : !strcmp(a[1], "c") ? O_WRONLY | O_CREAT : O_RDWR;
    int fd = open(a[0], flags | O_NONBLOCK | O_NOCTTY, 0644);
    if (fd < 0) return fail("open");
    close(fd);
    puts("opened");
    return 0;
}

/* flags PATH: whether the mount that it lies on is read-only */
static int flags(char **a) {
    struct statvfs s;
    if (statvfs(a[0], &s)) return fail("flags");
    puts(s.f_flag & ST_RDONLY ? "read-only" : "writable");
    return 0;
}

static int chmod_path(char **a) { return chmod(a[0], strtol(a[1], 0, 8)) ? fail("chmod") : (puts("changed"), 0); }
static int mkdir_path(char **a) { return mkdir(a[0], 0755) ? fail("mkdir") : (puts("made"), 0); }
static int readlink_path(char **a) {
    char target[4096];
    ssize_t n = readlink(a[0], target, sizeof target);
    return n < 0 ? fail("readlink") : (printf("%.*s\n", (int)n, target), 0);
}
static int mknod_path(char **a) {
    return mknod(a[0], S_IFCHR | 0666, makedev(atoi(a[1]), atoi(a[2]))) ? fail("mknod") : (puts("made"), 0);
}
static int mknod_block(char **a) {
    return mknod(a[0], S_IFBLK | 0666, makedev(atoi(a[1]), atoi(a[2]))) ? fail("mknod") : (puts("made"), 0);
}

/* peek PID: read a word of another process's memory */
static int peek(char **a) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/mem", a[0]);
    int fd = open(path, O_RDONLY);
    if (fd < 0) fail("open mem");
    puts(ptrace(PTRACE_ATTACH, atoi(a[0]), 0, 0) ? strerror(errno) : "attached");
    return 0;
}

static void map_root(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) fail(path);
    close(fd);
}

/* mount-cgroup OPTIONS PATH: of cgroup v1, by the rights of a new user namespace in a new cgroup namespace */
static int mount_cgroup(char **a) {
    if (unshare(CLONE_NEWUSER)) return fail("user namespace");
    map_root("/proc/self/setgroups", "deny");
    map_root("/proc/self/uid_map", "0 0 1");
    map_root("/proc/self/gid_map", "0 0 1");
    if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP)) return fail("unshare");
    return mount("none", a[1], "cgroup", 0, a[0]) ? fail("mount") : (puts("mounted"), 0);
}

/* syscall NUMBER A B C D E: numbers, for calls that shall be refused */
static int raw_syscall(char **a) {
    long n[6];
    for (int i = 0; i < 6; i++) n[i] = strtol(a[i], 0, 0);
    long result = syscall(n[0], n[1], n[2], n[3], n[4], n[5]);
    return result < 0 ? fail("syscall") : (printf("returned %ld\n", result), 0);
}

/* mount TYPE PATH */
static int unmount(char **a) { return umount2(a[0], 0) ? fail("umount") : (puts("unmounted"), 0); }
static int mount_type(char **a) { return mount("none", a[1], a[0], 0, "") ? fail("mount") : (puts("mounted"), 0); }

static int dial(const char *name, socklen_t length) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, name, length);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = connect(s, (void *)&un, offsetof(struct sockaddr_un, sun_path) + length);
    if (result) fail("dial");
    else puts("connected");
    close(s);
    return result;
}
/* dial PATH, dial-abstract NAME: a unix socket */
static int dial_path(char **a) { return dial(a[0], strlen(a[0]) + 1); }
static int dial_abstract(char **a) {
    char name[108] = "";
    strncpy(name + 1, a[0], 106);
    return dial(name, strlen(a[0]) + 1);
}

static int note(char (*seen)[256], int count, const char *line) {
    for (int i = 0; i < count; i++)
        if (!strcmp(seen[i], line)) return count;
    if (count == 200) return count;
    strncpy(seen[count], line, 255);
    printf("%s\n", line);
    fflush(stdout);
    return count + 1;
}

/* stalk PATH: until it exists, look at every other process for what should not be seen; tells each thing once */
static int stalk(char **a) {
    static char seen[200][256];
    int count = 0;
    struct stat own, s;
    if (stat("/", &own)) return fail("stalk");
    while (access(a[0], F_OK)) {
        for (int pid = 1; pid < 2000; pid++) {
            char path[64], target[200] = "", line[300];
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            if (readlink(path, target, sizeof target - 1) >= 0) {
                snprintf(line, sizeof line, "exe %s", target);
                count = note(seen, count, line);
            } else if (errno != ENOENT && errno != ESRCH) {
                count = note(seen, count, errno == EACCES ? "denied" : strerror(errno));
            }
            snprintf(path, sizeof path, "/proc/%d/root/etc/shadow", pid);
            if (!stat(path, &s)) count = note(seen, count, "the machine's root");
            snprintf(path, sizeof path, "/proc/%d/environ", pid);
            int fd = open(path, O_RDONLY);
            if (fd >= 0) {
                char text[4096];
                ssize_t n = read(fd, text, sizeof text);
                if (n > 0 && memmem(text, n, "PODRUN", 6)) count = note(seen, count, "the kubelet's environment");
                close(fd);
            }
        }
    }
    puts("over");
    return 0;
}

static int sleep_seconds(char **a) {
    fflush(stdout);
    sleep(atoi(a[0]));
    return 0;
}
static int hang(char **a) {
    fflush(stdout);
    while (pause() < 0)
        ;
    return 0;
}
static int exit_with(char **a) {
    fflush(stdout);
    _exit(atoi(a[0]));
}
static int kill_pid(char **a) { return kill(atoi(a[0]), atoi(a[1])) ? fail("kill") : (puts("sent"), 0); }
static int echo(char **a) { return puts(a[0]) < 0; }
static int warn(char **a) { return fprintf(stderr, "%s\n", a[0]) < 0; }
static int echo_stdin(char **a) {
    fflush(stdout);
    return copy(0, 1) ? fail("stdin") : 0;
}
static int ignore_term(char **a) {
    signal(SIGTERM, SIG_IGN);
    return 0;
}

static void on_term(int number) { _exit(42); }
/* exit 42 on SIGTERM: the default action does not reach PID 1 */
static int heed_term(char **a) {
    signal(SIGTERM, on_term);
    return 0;
}

/* orphan: leave a grandchild that ends by itself, for PID 1 to reap */
static int orphan(char **a) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) usleep(100000);
        _exit(0);
    }
    return waitpid(child, 0, 0) < 0;
}

/* alloc MB: touch so much memory and keep it */
static int alloc(char **a) {
    size_t size = (size_t)atoi(a[0]) << 20;
    char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return fail("alloc");
    memset(p, 1, size);
    printf("allocated %s MiB\n", a[0]);
    return 0;
}

/* burn SECONDS of processor time; for ever with 0 */
static int burn(char **a) {
    fflush(stdout);
    struct timespec used;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    while (!atoi(a[0]) || used.tv_sec < atoi(a[0]));
    return 0;
}

static struct sockaddr_in address(const char *host, const char *port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, host, &in.sin_addr);
    return in;
}

/* listen PORT: answer every connection with what it sent, in upper case HELLO first; for ever */
static int listen_port(char **a) {
    struct sockaddr_in in = address("0.0.0.0", a[0]);
    int one = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, (void *)&in, sizeof in) || listen(s, 64)) return fail("listen");
    printf("listening on %s\n", a[0]);
    fflush(stdout);
    for (;;) {
        int c = accept(s, 0, 0);
        if (c < 0) continue;
        if (write(c, "HELLO\n", 6) == 6) copy(c, c);
        close(c);
    }
}

/* connect HOST PORT: print what a listener says first; tries for 10 seconds */
static int connect_port(char **a) {
    struct sockaddr_in in = address(a[0], a[1]);
    for (int try = 0;; try++) {
        int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (!connect(s, (void *)&in, sizeof in)) {
            shutdown(s, SHUT_WR);
            fflush(stdout);
            return copy(s, 1) ? fail("connect") : 0;
        }
        if (try == 100) return fail("connect");
        close(s);
        usleep(100000);
    }
}

/* exec PATH ARGS: become another program */
static int exec_path(char **a) {
    fflush(stdout);
    execv(a[0], a);
    return fail("exec");
}

static const struct { const char *name; int arguments; int (*answer)(char **); } verbs[] = {
    {"cat", 1, cat}, {"write", 2, write_text}, {"overwrite", 2, overwrite}, {"ls", 1, ls}, {"stat", 1, stat_path}, {"readlink", 1, readlink_path},
    {"open", 2, open_path}, {"flags", 1, flags}, {"chmod", 2, chmod_path}, {"mkdir", 1, mkdir_path}, {"mknod", 3, mknod_path},
    {"mknod-block", 3, mknod_block}, {"mount-cgroup", 2, mount_cgroup},
    {"syscall", 6, raw_syscall}, {"mount", 2, mount_type}, {"umount", 1, unmount},
    {"dial", 1, dial_path}, {"dial-abstract", 1, dial_abstract},
    {"stalk", 1, stalk},
    {"ids", 0, ids}, {"caps", 0, caps}, {"mounts", 0, mounts}, {"fds", 0, fds}, {"env", 0, env}, {"self", 0, self},
    {"namespaces", 0, namespaces}, {"ps", 0, ps}, {"peek", 1, peek}, {"kill", 2, kill_pid}, {"orphan", 0, orphan},
    {"echo", 1, echo}, {"warn", 1, warn}, {"stdin", 0, echo_stdin}, {"sleep", 1, sleep_seconds}, {"hang", 0, hang},
    {"exit", 1, exit_with}, {"ignore-term", 0, ignore_term}, {"heed-term", 0, heed_term}, {"alloc", 1, alloc},
    {"burn", 1, burn}, {"listen", 1, listen_port}, {"connect", 2, connect_port}, {"exec", 1, exec_path},
};

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        size_t v = 0;
        while (v < sizeof verbs / sizeof *verbs && strcmp(verbs[v].name, argv[i])) v++;
        if (v == sizeof verbs / sizeof *verbs || argc - i - 1 < verbs[v].arguments) {
            fprintf(stderr, "witness: no verb %s, or too few arguments\n", argv[i]);
            return 64;
        }
        verbs[v].answer(argv + i + 1);
        fflush(stdout);
        i += verbs[v].arguments + 1;
        if (i < argc && strcmp(argv[i], "then")) {
            fprintf(stderr, "witness: expected then, got %s\n", argv[i]);
            return 64;
        }
    }
    return 0;
}
