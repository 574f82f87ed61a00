/* The limit of a machine: takes bodies of PUT and gives one file by GET, with nothing else a server has to do.

   sink PORT FILE-TO-GIVE FOLDER copy|splice */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, HEAD = 1 << 16 };

static const char *given, *folder;
static int by_splice;
static atomic_int made;

static int put_all(int file, const char *data, size_t count) {
    while (count) {
        ssize_t done = write(file, data, count);
        if (done <= 0) return -1;
        data += done, count -= done;
    }
    return 0;
}

static int take(int socket, int file, long left, char *buffer, int pipe[2]) {
    while (left > 0) {
        ssize_t count;
        if (by_splice) {
            count = splice(socket, 0, pipe[1], 0, left < PIECE ? left : PIECE, SPLICE_F_MOVE);
            for (ssize_t rest = count; rest > 0;) {
                ssize_t done = splice(pipe[0], 0, file, 0, rest, SPLICE_F_MOVE);
                if (done <= 0) return -1;
                rest -= done;
            }
        } else {
            count = read(socket, buffer, left < PIECE ? left : PIECE);
            if (count > 0 && put_all(file, buffer, count)) return -1;
        }
        if (count <= 0) return -1;
        left -= count;
    }
    return 0;
}

static int take_body(int socket, const char *head, char *rest, size_t have, char *buffer, int pipe[2]) {
    const char *field = strcasestr(head, "content-length:");
    long left = field ? atol(field + 15) : 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/%d", folder, made++);
    int file = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (file < 0) return -1;
    int broken = put_all(file, rest, have) || take(socket, file, left - (long)have, buffer, pipe);
    close(file);
    unlink(path);
    static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    return broken ? -1 : put_all(socket, answer, sizeof answer - 1);
}

static int give(int socket) {
    int file = open(given, O_RDONLY);
    struct stat facts;
    if (file < 0 || fstat(file, &facts)) return -1;
    char head[128];
    int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", (long)facts.st_size);
    int broken = put_all(socket, head, length);
    for (off_t at = 0; !broken && at < facts.st_size;) broken = sendfile(socket, file, &at, facts.st_size - at) <= 0;
    close(file);
    return broken;
}

static void *serve(void *argument) {
    int socket = (int)(long)argument, pipe[2], one = 1;
    char *buffer = malloc(PIECE), head[HEAD + 1];
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (pipe2(pipe, 0)) exit(1);
    fcntl(pipe[1], F_SETPIPE_SZ, PIECE);
    for (int broken = 0; !broken;) {
        size_t have = 0;
        char *end = 0;
        while (!end && have < HEAD) {
            ssize_t count = read(socket, head + have, HEAD - have);
            if (count <= 0) goto over;
            have += count;
            head[have] = 0;
            end = memmem(head, have, "\r\n\r\n", 4);
        }
        if (!end) break;
        *end = 0;
        char *rest = end + 4;
        if (!strncmp(head, "GET", 3)) broken = give(socket);
        else broken = take_body(socket, head, rest, have - (rest - head), buffer, pipe);
    }
over:
    close(socket), close(pipe[0]), close(pipe[1]), free(buffer);
    return 0;
}

int main(int count, char **words) {
    if (count != 5) return fprintf(stderr, "sink PORT FILE-TO-GIVE FOLDER copy|splice\n"), 2;
    given = words[2], folder = words[3], by_splice = !strcmp(words[4], "splice");
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return perror("sink"), 1;
    for (;;) {
        int socket = accept(listener, 0, 0);
        if (socket < 0) continue;
        pthread_t thread;
        if (pthread_create(&thread, 0, serve, (void *)(long)socket)) close(socket);
        else pthread_detach(thread);
    }
}
