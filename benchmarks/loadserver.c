/* A fake VK Teams Bot API server for benchmarks: one thread, epoll, never the bottleneck.
 *
 *   cc -O2 -o loadserver loadserver.c && ./loadserver [port]      (port 0, the default: any free one)
 *
 * Listens on the loopback interface and prints one line, "port <n>". Ends on SIGTERM or when its stdin ends.
 * HTTP/1.1 with keep-alive; GET or POST; parameters in the query, urlencoded or multipart.
 *
 * Bot API, below any prefix:
 *   /self/get              the bot
 *   /events/get            long poll: ids above lastEventId, ascending, at most `batch`; lastEventId acknowledges
 *   /messages/sendText     answered `latency_us` after it arrived; the last number in `text` names the event
 *   anything else          {"ok":true}
 *
 * Control (GET, JSON):
 *   /control/config?latency_us=&poll_latency_us=&batch=   what is not named stays
 *   /control/load?events=N&chats=C[&release=0][&window=1][&drip_us=D]
 *         begins a phase: N events over C chats; ids go on from the last phase, counts begin at 0.
 *         default   all events available at once (an open backlog)
 *         release=0 none available until /control/release
 *         window=1  one outstanding event per chat: the next comes when the reply to it was answered (closed loop)
 *         drip_us=D one event every D microseconds, +-25 %, whatever the bot does
 *   /control/release?n=K   K more events (0: all that are left)
 *   /control/hold          withdraw the events that were not given yet
 *   /control/stats         counts and times of the phase; times are CLOCK_MONOTONIC in nanoseconds
 *                          (brief=1 leaves out the percentiles, which sort all replies)
 *   /control/reset         forget phase, counts and acknowledgements; ids begin at 1
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

typedef int64_t ns;

static ns now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ns)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *grow(void *p, size_t size) {
    p = realloc(p, size ? size : 1);
    if (!p) {
        perror("realloc");
        exit(1);
    }
    return p;
}

/* ---- buffers ------------------------------------------------------------------------------------------------ */

typedef struct {
    char *data;
    size_t length, capacity;
} Buffer;

static void reserve(Buffer *b, size_t more) {
    if (b->length + more <= b->capacity) return;
    b->capacity = (b->length + more) * 2;
    b->data = grow(b->data, b->capacity);
}

static void append(Buffer *b, const char *data, size_t length) {
    reserve(b, length);
    memcpy(b->data + b->length, data, length);
    b->length += length;
}

#define append_literal(b, literal) append(b, literal, sizeof(literal) - 1)

__attribute__((format(printf, 2, 3))) static void appendf(Buffer *b, const char *format, ...) {
    va_list args;
    reserve(b, 1024);
    va_start(args, format);
    int n = vsnprintf(b->data + b->length, b->capacity - b->length, format, args);
    va_end(args);
    if ((size_t)n >= b->capacity - b->length) {
        reserve(b, (size_t)n + 1);
        va_start(args, format);
        n = vsnprintf(b->data + b->length, b->capacity - b->length, format, args);
        va_end(args);
    }
    b->length += (size_t)n;
}

/* ---- connections and timers --------------------------------------------------------------------------------- */

enum { READY, DELAYED, HELD }; /* what a connection waits for: the next request, its time, an event */

typedef struct {
    int fd, state, close_after, want_write;
    uint32_t generation; /* told apart from an earlier connection with the same fd, and one request from the next */
    int64_t event;       /* DELAYED sendText: the event it answers, -1 if none */
    int is_send;
    int64_t poll_after;  /* HELD: lastEventId */
    ns not_before;       /* HELD: the earliest time of an answer */
    Buffer in, out, pending; /* pending: the body of a DELAYED answer */
    size_t sent;
} Connection;

enum { TIMER_ANSWER, TIMER_POLL, TIMER_DRIP };

typedef struct {
    ns due;
    int kind, fd;
    uint32_t generation;
} Timer;

static Connection **connections;
static int connections_size, epoll_fd, timer_fd;
static Timer *heap;
static size_t heap_length, heap_capacity;
static ns armed;

static void timer_push(ns due, int kind, int fd, uint32_t generation) {
    if (heap_length == heap_capacity) {
        heap_capacity = heap_capacity ? heap_capacity * 2 : 1024;
        heap = grow(heap, heap_capacity * sizeof *heap);
    }
    size_t i = heap_length++;
    while (i && heap[(i - 1) / 2].due > due) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = (Timer){due, kind, fd, generation};
}

static Timer timer_pop(void) {
    Timer top = heap[0], last = heap[--heap_length];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= heap_length) break;
        if (child + 1 < heap_length && heap[child + 1].due < heap[child].due) child++;
        if (heap[child].due >= last.due) break;
        heap[i] = heap[child];
        i = child;
    }
    if (heap_length) heap[i] = last;
    return top;
}

static void timer_arm(void) {
    ns due = heap_length ? heap[0].due : 0;
    if (due == armed) return;
    armed = due;
    struct itimerspec spec = {.it_value = {due / 1000000000, due % 1000000000}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* ---- the phase: events, chats, counts ----------------------------------------------------------------------- */

typedef struct {
    int32_t chat;
    uint32_t replies;
    ns available, given, reply;
} Event;

static struct {
    int64_t latency, poll_latency, batch;
} config = {0, 0, 100};

static struct {
    int64_t base;                /* eventId of the event before the first of this phase */
    int64_t events, chats, released, given;
    int window;
    ns drip;
    int64_t replied, duplicates, redelivered, wrong_chat, out_of_order, stale, foreign;
    int64_t requests, polls, empty_polls, sends, in_flight, peak_in_flight, bad_requests;
    ns began, first_available, first_given, last_given, first_reply, last_reply;
} phase;

static Event *events;
static int64_t *chat_last; /* index of the greatest event answered so far in each chat */
static int64_t acknowledged;
static uint32_t drip_generation;
static int open_connections, peak_connections;
static int64_t total_connections;

static void answer_held(ns now);

static void make_available(int32_t chat, ns now) {
    Event *e = &events[phase.released++];
    *e = (Event){.chat = chat, .available = now};
    if (!phase.first_available) phase.first_available = now;
}

static void release(int64_t n, ns now) {
    while (n-- > 0 && phase.released < phase.events)
        make_available((int32_t)(phase.released % phase.chats), now);
    answer_held(now);
}

static void drip_again(ns now) {
    if (phase.drip && phase.released < phase.events)
        timer_push(now + phase.drip * 3 / 4 + phase.drip * (rand() % 1000) / 2000, TIMER_DRIP, 0, drip_generation);
}

static void load(int64_t count, int64_t chats, int release_all, int window, ns drip, ns now) {
    int64_t base = phase.base + phase.released;
    memset(&phase, 0, sizeof phase);
    phase.base = base;
    phase.events = count;
    phase.chats = chats > 0 ? chats : 1;
    phase.window = window;
    phase.drip = drip;
    phase.began = now;
    drip_generation++;
    events = grow(events, (size_t)count * sizeof *events);
    chat_last = grow(chat_last, (size_t)phase.chats * sizeof *chat_last);
    for (int64_t i = 0; i < phase.chats; i++) chat_last[i] = -1;
    if (drip) drip_again(now);
    else if (window) release(phase.chats, now);
    else if (release_all) release(count, now);
}

/* A reply reached the server. Returns the index of the event if this is the first reply to it. */
static int64_t count_reply(int64_t number, const char *chat, ns now) {
    int64_t index = number - phase.base - 1;
    if (number <= 0 || index >= phase.released) {
        phase.foreign++;
        return -1;
    }
    if (index < 0) {
        phase.stale++;
        return -1;
    }
    Event *e = &events[index];
    char expected[32];
    snprintf(expected, sizeof expected, "user%d@example.com", e->chat);
    if (strcmp(expected, chat)) phase.wrong_chat++;
    if (e->replies++) {
        phase.duplicates++;
        return -1;
    }
    e->reply = now;
    if (!phase.replied++) phase.first_reply = now;
    phase.last_reply = now;
    if (index < chat_last[e->chat]) phase.out_of_order++;
    else chat_last[e->chat] = index;
    return index;
}

/* The events above `after` that are available and not acknowledged; how many were written. */
static int64_t write_events(Buffer *b, int64_t after, ns now) {
    int64_t first = (after > acknowledged ? after : acknowledged) - phase.base, written = 0;
    if (first < 0) first = 0;
    append_literal(b, "{\"events\":[");
    for (int64_t i = first; i < phase.released && written < config.batch; i++, written++) {
        Event *e = &events[i];
        if (e->given) {
            phase.redelivered++;
        } else {
            e->given = now;
            if (!phase.given++) phase.first_given = now;
            phase.last_given = now;
        }
        appendf(b,
                "%s{\"eventId\":%lld,\"payload\":{\"chat\":{\"chatId\":\"user%d@example.com\",\"type\":\"private\"},"
                "\"from\":{\"firstName\":\"Name\",\"lastName\":\"Surname\",\"userId\":\"user%d@example.com\"},"
                "\"msgId\":\"%lld\",\"text\":\"event %lld\",\"timestamp\":1760000000},\"type\":\"newMessage\"}",
                written ? "," : "", (long long)(phase.base + i + 1), e->chat, e->chat,
                7500000000000000000LL + (long long)(phase.base + i + 1), (long long)(phase.base + i + 1));
    }
    append_literal(b, "],\"ok\":true}");
    return written;
}

static int by_value(const void *a, const void *b) {
    ns x = *(const ns *)a, y = *(const ns *)b;
    return (x > y) - (x < y);
}

static void write_percentiles(Buffer *b, const char *name, int since_given) {
    int64_t n = 0;
    ns *values = grow(NULL, (size_t)(phase.replied + 1) * sizeof *values), sum = 0;
    for (int64_t i = 0; i < phase.released; i++)
        if (events[i].replies) {
            values[n] = events[i].reply - (since_given ? events[i].given : events[i].available);
            sum += values[n++];
        }
    qsort(values, (size_t)n, sizeof *values, by_value);
#define AT(q) (n ? (double)values[(int64_t)((double)(n - 1) * (q) + 0.5)] / 1000 : 0.0)
    appendf(b, "\"%s\":{\"n\":%lld,\"mean\":%.1f,\"p50\":%.1f,\"p95\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
            (long long)n, n ? (double)sum / (double)n / 1000 : 0.0, AT(0.5), AT(0.95), AT(0.99), AT(1.0));
#undef AT
    free(values);
}

static void write_stats(Buffer *b, int brief, ns now) {
    append_literal(b, "{");
#define FIELD(name) appendf(b, "\"" #name "\":%lld,", (long long)phase.name)
    FIELD(events); FIELD(chats); FIELD(released); FIELD(given); FIELD(replied); FIELD(duplicates); FIELD(redelivered);
    FIELD(wrong_chat); FIELD(out_of_order); FIELD(stale); FIELD(foreign); FIELD(requests); FIELD(polls);
    FIELD(empty_polls); FIELD(sends); FIELD(in_flight); FIELD(peak_in_flight); FIELD(bad_requests); FIELD(began);
    FIELD(first_available); FIELD(first_given); FIELD(last_given); FIELD(first_reply); FIELD(last_reply);
#undef FIELD
    appendf(b, "\"missing\":%lld,\"acknowledged\":%lld,\"now\":%lld,", (long long)(phase.given - phase.replied),
            (long long)acknowledged, (long long)now);
    appendf(b, "\"open_connections\":%d,\"peak_connections\":%d,\"total_connections\":%lld,", open_connections,
            peak_connections, (long long)total_connections);
    appendf(b, "\"latency_us\":%lld,\"poll_latency_us\":%lld,\"batch\":%lld", (long long)config.latency,
            (long long)config.poll_latency, (long long)config.batch);
    if (!brief) {
        append_literal(b, ",");
        write_percentiles(b, "since_available_us", 0);
        append_literal(b, ",");
        write_percentiles(b, "since_given_us", 1);
    }
    append_literal(b, "}");
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static void process_input(Connection *c, ns now);

static void drop(Connection *c) {
    if (c->state == DELAYED && c->is_send) phase.in_flight--;
    close(c->fd);
    connections[c->fd] = NULL;
    free(c->in.data);
    free(c->out.data);
    free(c->pending.data);
    free(c);
    open_connections--;
}

static void watch(Connection *c, int write) {
    if (c->want_write == write) return;
    c->want_write = write;
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (write ? EPOLLOUT : 0), .data.fd = c->fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

/* Sends what is in `out`; 0 if the connection is gone. */
static int flush(Connection *c) {
    while (c->sent < c->out.length) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.length - c->sent, MSG_NOSIGNAL);
        if (n > 0) {
            c->sent += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(c, 1);
            return 1;
        } else {
            drop(c);
            return 0;
        }
    }
    c->out.length = c->sent = 0;
    watch(c, 0);
    if (c->close_after && c->state == READY) {
        drop(c);
        return 0;
    }
    return 1;
}

static void put_answer(Connection *c, const char *status, const char *body, size_t length) {
    appendf(&c->out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n", status, length,
            c->close_after ? "Connection: close\r\n" : "");
    append(&c->out, body, length);
}

/* The answer in `pending` goes out now. The caller goes on with the rest of the input. */
static void put_pending(Connection *c) {
    c->state = READY;
    c->generation++;
    put_answer(c, "200 OK", c->pending.data, c->pending.length);
    c->pending.length = 0;
}

static void answer_poll(Connection *c, ns now) {
    int64_t n = write_events(&c->pending, c->poll_after, now);
    if (!n) phase.empty_polls++;
    put_pending(c);
}

static int has_events(int64_t after) {
    return phase.base + phase.released > (after > acknowledged ? after : acknowledged);
}

static int held_fd = -1; /* the youngest held poll: a bot has one */

static void answer_one_held(Connection *c, ns now) {
    if (!has_events(c->poll_after)) return;
    if (now < c->not_before) {
        timer_push(c->not_before, TIMER_POLL, c->fd, c->generation);
        return;
    }
    answer_poll(c, now);
    if (flush(c)) process_input(c, now);
}

static void answer_held(ns now) {
    if (held_fd >= 0) {
        Connection *c = connections[held_fd];
        if (c && c->state == HELD) answer_one_held(c, now);
        else held_fd = -1;
    }
}

static void send_answered(Connection *c, ns now) {
    phase.in_flight--;
    int64_t index = c->event;
    c->is_send = 0;
    if (phase.window && index >= 0 && index < phase.released && phase.released < phase.events) {
        make_available(events[index].chat, now);
        answer_held(now);
    }
}

static void on_timer(Timer t, ns now) {
    if (t.kind == TIMER_DRIP) {
        if (t.generation != drip_generation) return;
        release(1, now);
        drip_again(now);
        return;
    }
    Connection *c = t.fd < connections_size ? connections[t.fd] : NULL;
    if (!c || c->generation != t.generation) return;
    if (t.kind == TIMER_ANSWER && c->state == DELAYED) {
        int was_send = c->is_send;
        put_pending(c);
        if (was_send) {
            send_answered(c, now);
            c = connections[t.fd];
            if (!c) return;
        }
    } else if (t.kind == TIMER_POLL && c->state == HELD) {
        answer_poll(c, now);
    } else {
        return;
    }
    if (flush(c)) process_input(c, now);
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

static int hex(int ch) {
    if (ch >= '0' && ch <= '9') return ch - '0';
    ch |= 32;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* The value of `name` in a query or urlencoded body, decoded into `value`; 0 if it is absent. */
static int form_value(const char *s, size_t length, const char *name, char *value, size_t size) {
    const char *end = s + length;
    size_t wanted = strlen(name);
    while (s < end) {
        const char *stop = memchr(s, '&', (size_t)(end - s));
        if (!stop) stop = end;
        if ((size_t)(stop - s) > wanted && !memcmp(s, name, wanted) && s[wanted] == '=') {
            size_t n = 0;
            for (s += wanted + 1; s < stop && n + 1 < size; s++) {
                if (*s == '+') value[n++] = ' ';
                else if (*s == '%' && stop - s > 2 && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
                    value[n++] = (char)(hex(s[1]) * 16 + hex(s[2]));
                    s += 2;
                } else value[n++] = *s;
            }
            value[n] = 0;
            return 1;
        }
        s = stop + 1;
    }
    return 0;
}

static int multipart_value(const char *s, size_t length, const char *name, char *value, size_t size) {
    char wanted[64];
    int n = snprintf(wanted, sizeof wanted, "name=\"%s\"", name);
    const char *at = memmem(s, length, wanted, (size_t)n), *end = s + length;
    if (!at) return 0;
    const char *from = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    if (!from) return 0;
    from += 4;
    const char *to = memmem(from, (size_t)(end - from), "\r\n--", 4);
    if (!to) return 0;
    size_t count = (size_t)(to - from) < size - 1 ? (size_t)(to - from) : size - 1;
    memcpy(value, from, count);
    value[count] = 0;
    return 1;
}

typedef struct {
    const char *path, *query, *body;
    size_t path_length, query_length, body_length;
    int multipart;
} Request;

static int parameter(const Request *r, const char *name, char *value, size_t size) {
    if (r->query_length && form_value(r->query, r->query_length, name, value, size)) return 1;
    if (r->body_length)
        return r->multipart ? multipart_value(r->body, r->body_length, name, value, size)
                            : form_value(r->body, r->body_length, name, value, size);
    return 0;
}

static int64_t number(const Request *r, const char *name, int64_t otherwise) {
    char value[32];
    return parameter(r, name, value, sizeof value) && *value ? strtoll(value, NULL, 10) : otherwise;
}

static int ends_with(const Request *r, const char *suffix) {
    size_t n = strlen(suffix);
    return r->path_length >= n && !memcmp(r->path + r->path_length - n, suffix, n);
}

static int64_t last_number(const char *text) {
    size_t end = strlen(text);
    while (end && (text[end - 1] < '0' || text[end - 1] > '9')) end--;
    size_t begin = end;
    while (begin && text[begin - 1] >= '0' && text[begin - 1] <= '9') begin--;
    return begin == end ? -1 : strtoll(text + begin, NULL, 10);
}

static void control(Connection *c, const Request *r, ns now) {
    Buffer *b = &c->pending;
    if (ends_with(r, "/stats")) {
        write_stats(b, (int)number(r, "brief", 0), now);
    } else {
        if (ends_with(r, "/config")) {
            config.latency = number(r, "latency_us", config.latency);
            config.poll_latency = number(r, "poll_latency_us", config.poll_latency);
            config.batch = number(r, "batch", config.batch);
        } else if (ends_with(r, "/load")) {
            load(number(r, "events", 0), number(r, "chats", 1), (int)number(r, "release", 1),
                 (int)number(r, "window", 0), number(r, "drip_us", 0) * 1000, now);
        } else if (ends_with(r, "/release")) {
            int64_t n = number(r, "n", 0);
            release(n ? n : phase.events, now);
        } else if (ends_with(r, "/hold")) {
            phase.events = phase.released = phase.given; /* events are given in order */
            drip_generation++;
        } else if (ends_with(r, "/reset")) {
            memset(&phase, 0, sizeof phase);
            phase.began = now;
            acknowledged = 0;
            drip_generation++;
            total_connections = peak_connections = open_connections;
        } else {
            append_literal(b, "{\"ok\":false,\"description\":\"Unknown control\"}");
            put_pending(c);
            return;
        }
        append_literal(b, "{\"ok\":true}");
    }
    put_pending(c);
}

static void answer(Connection *c, const Request *r, ns now) {
    if (r->path_length > 9 && !memcmp(r->path, "/control/", 9)) {
        control(c, r, now);
        return;
    }
    phase.requests++;
    if (ends_with(r, "/events/get")) {
        phase.polls++;
        int64_t after = number(r, "lastEventId", 0), seconds = number(r, "pollTime", 0);
        int64_t top = phase.base + phase.released;
        if (after > acknowledged) acknowledged = after < top ? after : top;
        c->poll_after = after;
        c->not_before = now + config.poll_latency * 1000;
        if (!config.poll_latency && (has_events(after) || seconds <= 0)) {
            answer_poll(c, now);
            return;
        }
        c->state = HELD;
        c->generation++;
        held_fd = c->fd;
        ns due = has_events(after) || seconds <= 0 ? c->not_before : now + seconds * 1000000000;
        timer_push(due, TIMER_POLL, c->fd, c->generation);
    } else if (ends_with(r, "/messages/sendText")) {
        char text[512] = "", chat[128] = "";
        phase.sends++;
        if (++phase.in_flight > phase.peak_in_flight) phase.peak_in_flight = phase.in_flight;
        parameter(r, "text", text, sizeof text);
        parameter(r, "chatId", chat, sizeof chat);
        c->event = count_reply(last_number(text), chat, now);
        c->is_send = 1;
        appendf(&c->pending, "{\"msgId\":\"%lld\",\"ok\":true}", 7600000000000000000LL + (long long)phase.sends);
        if (config.latency) {
            c->state = DELAYED;
            c->generation++;
            timer_push(now + config.latency * 1000, TIMER_ANSWER, c->fd, c->generation);
        } else {
            put_pending(c);
            send_answered(c, now);
        }
    } else if (ends_with(r, "/self/get")) {
        append_literal(&c->pending, "{\"firstName\":\"Bench\",\"nick\":\"bench_bot\",\"ok\":true,\"userId\":\"1000000001\"}");
        put_pending(c);
    } else {
        append_literal(&c->pending, "{\"ok\":true}");
        put_pending(c);
    }
}

static const char *header(const char *head, size_t length, const char *name) {
    const char *end = head + length, *line = head;
    size_t n = strlen(name);
    while ((line = memmem(line, (size_t)(end - line), "\r\n", 2))) {
        line += 2;
        if ((size_t)(end - line) > n && line[n] == ':' && !strncasecmp(line, name, n)) {
            line += n + 1;
            while (line < end && *line == ' ') line++;
            return line;
        }
    }
    return NULL;
}

/* Answers the whole requests in `in`, one after another; stops at one that has to wait. */
static void process_input(Connection *c, ns now) {
    int fd = c->fd;
    size_t used = 0;
    while (c->state == READY && used < c->in.length && !c->close_after) {
        char *start = c->in.data + used;
        size_t left = c->in.length - used;
        char *head_end = memmem(start, left, "\r\n\r\n", 4);
        if (!head_end) break;
        size_t head = (size_t)(head_end - start) + 4, body = 0;
        Request r = {0};
        const char *value;
        char *target = memchr(start, ' ', head), *target_end = NULL;
        if (target) target_end = memchr(target + 1, ' ', head - (size_t)(target + 1 - start));
        if (!target_end || header(start, head, "Transfer-Encoding")) {
            phase.bad_requests++;
            c->close_after = 1;
            put_answer(c, "400 Bad Request", "{\"ok\":false}", sizeof "{\"ok\":false}" - 1);
            break;
        }
        if ((value = header(start, head, "Content-Length"))) body = strtoul(value, NULL, 10);
        if (left < head + body) break;
        if ((value = header(start, head, "Connection")) && !strncasecmp(value, "close", 5)) c->close_after = 1;
        if (body && (value = header(start, head, "Content-Type")))
            r.multipart = !strncasecmp(value, "multipart/", 10);
        r.path = target + 1;
        r.path_length = (size_t)(target_end - r.path);
        r.query = memchr(r.path, '?', r.path_length);
        if (r.query) {
            r.query_length = (size_t)(target_end - ++r.query);
            r.path_length -= r.query_length + 1;
        }
        r.body = start + head;
        r.body_length = body;
        used += head + body;
        answer(c, &r, now);
    }
    if (used) {
        memmove(c->in.data, c->in.data + used, c->in.length - used);
        c->in.length -= used;
    }
    if (connections[fd] == c && c->out.length) flush(c);
}

static void on_readable(Connection *c, ns now) {
    for (;;) {
        reserve(&c->in, 16384);
        size_t room = c->in.capacity - c->in.length;
        ssize_t n = recv(c->fd, c->in.data + c->in.length, room, 0);
        if (n > 0) {
            c->in.length += (size_t)n;
            if ((size_t)n < room) break;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        } else {
            drop(c);
            return;
        }
    }
    if (c->state == READY) process_input(c, now);
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
        if (fd < 0) return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fd >= connections_size) {
            int size = (fd + 1) * 2;
            connections = grow(connections, (size_t)size * sizeof *connections);
            memset(connections + connections_size, 0, (size_t)(size - connections_size) * sizeof *connections);
            connections_size = size;
        }
        static uint32_t generations;
        Connection *c = calloc(1, sizeof *c);
        if (!c) exit(1);
        c->fd = fd;
        c->generation = generations += 1 << 16;
        connections[fd] = c;
        total_connections++;
        if (++open_connections > peak_connections) peak_connections = open_connections;
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

static void leave(int signal_number) {
    (void)signal_number;
    _exit(0);
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 0, one = 1;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1000);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, leave);
    signal(SIGINT, leave);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[512];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    e.data.fd = timer_fd;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &e);
    e.events = EPOLLIN | EPOLLRDHUP;
    e.data.fd = 0; /* the harness holds our stdin: when it dies, we end (a file is refused here: then only SIGTERM ends us) */
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &e);

    for (;;) {
        int n = epoll_wait(epoll_fd, ready, 512, -1);
        ns now = now_ns();
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == 0) {
                char byte;
                if (read(0, &byte, 1) <= 0) return 0;
            } else if (fd == listener) {
                accept_all(listener);
            } else if (fd == timer_fd) {
                uint64_t expirations;
                if (read(timer_fd, &expirations, sizeof expirations) > 0) armed = 0;
            } else {
                Connection *c = connections[fd];
                if (c && ready[i].events & EPOLLOUT) {
                    if (!flush(c)) continue;
                    c = connections[fd];
                }
                if (c && ready[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) on_readable(c, now);
            }
        }
        while (heap_length && heap[0].due <= now_ns()) on_timer(timer_pop(), now_ns());
        timer_arm();
    }
}
