/* SPDX-License-Identifier: MIT */
/*
 * client.c - asks a server for completions over so many connections at a time, and measures. Each
 * request has a connection of its own. What is asked depends on the options alone, so that two
 * servers can be compared token by token. Calls libc.
 *
 *	client --port N [--connections N] [--requests N] [--prompt BYTES] [--prefix BYTES]
 *	       [--max-tokens N] [--temperature T] [--hang-up PERCENT] [--seconds N]
 *	       [--trace FILE] [--scale N] [--context N] [--whole] [--print]
 *	client --port N --raw < REQUEST
 *
 * Ends with 1 when a request that was not hung up on got less than it asked for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 4096
#define ANSWER_BYTES	 (1 << 20)
#define PATIENCE_MS	 60000 /* without a byte from anyone */

static struct {
	unsigned port, connections, requests, prompt, prefix, max_tokens, hang_up, seconds;
	unsigned scale, context;
	const char *temperature, *trace;
	int raw, whole, print;
} o = {.connections = 1,
       .requests = 1,
       .prompt = 16,
       .max_tokens = 32,
       .scale = 16,
       .context = 2048,
       .temperature = "0.8"};

/* What is asked for. */
struct ask {
	unsigned prompt, max_tokens;
	unsigned *tokens; /* --print: that came */
	unsigned nr_tokens;
};

struct connection {
	int fd;				      /* -1: none */
	unsigned ask, nr_tokens, leave_after; /* 0: stays to the end */
	double begin, last;
	char *out;
	size_t out_length, out_sent;
	char *in;
	size_t in_length, scanned;
};

struct numbers {
	double *list;
	size_t n, room;
};

static struct ask *asks;
static struct connection *connections;
static struct numbers firsts, gaps;
static unsigned next_ask, nr_finished, nr_failed, nr_hung_up;
static unsigned *again; /* asks that were told to come later */
static unsigned nr_again, nr_rejected;
static unsigned long long nr_tokens;
static double not_before; /* after a 429 */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)(x >> 32);
}

static void note(struct numbers *numbers, double value)
{
	if (numbers->n == numbers->room) {
		numbers->room = numbers->room ? 2 * numbers->room : 1024;
		numbers->list = realloc(numbers->list, numbers->room * sizeof(double));
		if (!numbers->list)
			exit(1);
	}
	numbers->list[numbers->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(struct numbers *numbers, double part)
{
	if (numbers->n == 0)
		return 0;
	qsort(numbers->list, numbers->n, sizeof(double), compare);
	return numbers->list[(size_t)(part * (double)(numbers->n - 1))] * 1000;
}

/* ---- What to ask ---- */

static unsigned scaled(unsigned long tokens, unsigned most)
{
	unsigned long n = tokens / o.scale;

	return (unsigned)(n < 1 ? 1 : n > most ? most : n);
}

static void read_trace(void)
{
	FILE *file = fopen(o.trace, "re");
	char line[256];
	unsigned long context, generated;
	unsigned n = 0;

	if (!file || !fgets(line, sizeof(line), file)) {
		fprintf(stderr, "client: %s: %s\n", o.trace, strerror(errno));
		exit(2);
	}
	while (n < o.requests && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*[^,],%lu,%lu", &context, &generated) != 2) {
			fprintf(stderr, "client: %s: line %u is no request\n", o.trace, n + 2);
			exit(2);
		}
		asks[n].prompt = scaled(context, o.context * 3 / 4);
		asks[n++].max_tokens = scaled(generated, o.context / 8);
	}
	o.requests = n;
	fclose(file);
}

/* The first bytes are everyone's, the rest the request's own. */
static size_t write_request(char *to, size_t room, unsigned index)
{
	const struct ask *ask = &asks[index];
	char *prompt = malloc(ask->prompt + 1);
	char body[256];
	int length, head;

	for (unsigned i = 0; i < ask->prompt; i++)
		prompt[i] = (char)('a' + mix(i < o.prefix ? i : (uint64_t)index << 32 | i) % 26);
	prompt[ask->prompt] = '\0';
	length = snprintf(body, sizeof(body),
			  "\",\"max_tokens\":%u,\"temperature\":%s,\"seed\":%u,\"ignore_eos\":true,"
			  "\"stream\":%s}",
			  ask->max_tokens, o.temperature, index + 1, o.whole ? "false" : "true");
	head = snprintf(to, room,
			"POST /v1/completions HTTP/1.0\r\nContent-Type: application/json\r\n"
			"Content-Length: %d\r\n\r\n{\"prompt\":\"%s%s",
			length + (int)ask->prompt + 11, prompt, body);
	free(prompt);
	return (size_t)head;
}

/* ---- Connections ---- */

static int dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)) {
		perror("client: connect");
		exit(1);
	}
	return fd;
}

static void begin(struct connection *c, unsigned index)
{
	size_t room = asks[index].prompt + 1024;

	c->ask = index;
	c->fd = dial();
	c->out = malloc(room);
	if (!c->in)
		c->in = malloc(ANSWER_BYTES);
	if (!c->out || !c->in)
		exit(1);
	c->out_length = write_request(c->out, room, index);
	c->out_sent = c->in_length = c->scanned = 0;
	c->nr_tokens = 0;
	c->leave_after = 0;
	if (o.hang_up && mix(index * 77777ull + 5) % 100 < o.hang_up)
		c->leave_after = 1 + mix(index * 99991ull + 3) % asks[index].max_tokens;
	c->begin = c->last = now();
}

static void end(struct connection *c)
{
	close(c->fd);
	free(c->out);
	c->fd = -1;
}

static void got_token(struct connection *c, unsigned token)
{
	struct ask *ask = &asks[c->ask];
	double time = now();

	note(c->nr_tokens ? &gaps : &firsts, time - (c->nr_tokens ? c->last : c->begin));
	c->last = time;
	c->nr_tokens++;
	nr_tokens++;
	if (!ask->tokens || ask->nr_tokens >= ask->max_tokens)
		return;
	ask->tokens[ask->nr_tokens++] = token;
}

/* Find "token_ids":[1,2,3] in what came. */
static void scan(struct connection *c)
{
	static const char mark[] = "\"token_ids\":[";

	c->in[c->in_length] = '\0';
	for (;;) {
		char *at = strstr(c->in + c->scanned, mark), *stop;

		stop = at ? strchr(at, ']') : NULL;
		if (!stop)
			return;
		at += strlen(mark);
		while (at < stop) {
			got_token(c, (unsigned)strtoul(at, &at, 10));
			at++;
		}
		c->scanned = (size_t)(stop - c->in);
	}
}

/* The server has closed: was it all? */
static void finish(struct connection *c)
{
	struct ask *ask = &asks[c->ask];

	if (strncmp(c->in, "HTTP/1.0 429", 12) == 0 || strncmp(c->in, "HTTP/1.1 429", 12) == 0) {
		nr_rejected++;
		again[nr_again++] = c->ask;
		not_before = now() + 0.02;
		if (!strstr(c->in, "Retry-After:")) {
			fprintf(stderr, "client: 429 without Retry-After\n");
			nr_failed++;
		}
	} else if (c->nr_tokens != ask->max_tokens) {
		fprintf(stderr, "client: request %u: %u tokens of %u: %.100s\n", c->ask,
			c->nr_tokens, ask->max_tokens, c->in);
		nr_failed++;
	} else {
		nr_finished++;
	}
	end(c);
}

static void serve_connection(struct connection *c, short events)
{
	ssize_t n;

	if (events & POLLOUT && c->out_sent < c->out_length) {
		n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
		c->out_sent += n > 0 ? (size_t)n : 0;
	}
	if (!(events & (POLLIN | POLLHUP | POLLERR)))
		return;
	if (c->in_length == ANSWER_BYTES - 1) {
		/* Only the end of what was scanned is still wanted. */
		memmove(c->in, c->in + c->scanned, c->in_length - c->scanned);
		c->in_length -= c->scanned;
		c->scanned = 0;
	}
	n = recv(c->fd, c->in + c->in_length, ANSWER_BYTES - 1 - c->in_length, 0);
	if (n > 0) {
		c->in_length += (size_t)n;
		scan(c);
		if (c->leave_after && c->nr_tokens >= c->leave_after) {
			nr_hung_up++;
			end(c);
		}
	} else if (n == 0 || errno != EAGAIN) {
		c->in[c->in_length] = '\0';
		finish(c);
	}
}

/* Give free connections something to ask. Returns how many are busy. */
static unsigned fill(bool is_over)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < o.connections; i++) {
		struct connection *c = &connections[i];

		if (c->fd < 0 && !is_over && nr_again > 0 && now() >= not_before)
			begin(c, again[--nr_again]);
		else if (c->fd < 0 && !is_over && next_ask < o.requests)
			begin(c, next_ask++);
		busy += c->fd >= 0;
	}
	return busy + (is_over ? 0 : nr_again);
}

static void run(void)
{
	struct pollfd *polls = calloc(o.connections, sizeof(*polls));
	double start = now(), heard = start;

	for (;;) {
		bool is_over = o.seconds && now() - start > o.seconds;
		int ready;

		if (o.seconds && !is_over && next_ask == o.requests)
			next_ask = 0;
		if (fill(is_over) == 0)
			break;
		for (unsigned i = 0; i < o.connections; i++) {
			const struct connection *c = &connections[i];

			polls[i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
			if (c->fd >= 0 && c->out_sent < c->out_length)
				polls[i].events |= POLLOUT;
		}
		ready = poll(polls, o.connections, 20);
		heard = ready > 0 ? now() : heard;
		if ((now() - heard) * 1000 > PATIENCE_MS) {
			fprintf(stderr, "client: nothing for %d s\n", PATIENCE_MS / 1000);
			exit(1);
		}
		for (unsigned i = 0; i < o.connections; i++)
			if (polls[i].fd >= 0 && polls[i].revents)
				serve_connection(&connections[i], polls[i].revents);
	}
	printf("%s%u finished, %u hung up, %u times 429, %u failed, %llu tokens, %.0f tokens/s; "
	       "first token p50 %.2f p99 %.2f ms, between p50 %.3f p99 %.2f ms\n",
	       o.print ? "# " : "", nr_finished, nr_hung_up, nr_rejected, nr_failed, nr_tokens,
	       (double)nr_tokens / (now() - start), percentile(&firsts, 0.5),
	       percentile(&firsts, 0.99), percentile(&gaps, 0.5), percentile(&gaps, 0.99));
	free(polls);
}

/* ---- One request as it stands in the standard input ---- */

static int raw(void)
{
	char buffer[65536];
	int fd = dial();
	struct pollfd poll_one = {.fd = fd, .events = POLLOUT};
	size_t n;
	ssize_t got;

	poll(&poll_one, 1, 5000);
	while ((n = fread(buffer, 1, sizeof(buffer), stdin)) > 0)
		for (size_t at = 0; at < n;) {
			ssize_t sent = send(fd, buffer + at, n - at, MSG_NOSIGNAL);

			if (sent < 0 && errno != EAGAIN)
				break;
			if (sent < 0)
				poll(&poll_one, 1, 5000);
			at += sent > 0 ? (size_t)sent : 0;
		}
	poll_one.events = POLLIN;
	while (poll(&poll_one, 1, 10000) == 1 && (got = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		fwrite(buffer, 1, (size_t)got, stdout);
	close(fd);
	return 0;
}

/* ---- Options ---- */

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", 1, NULL, 'p'},	       {"connections", 1, NULL, 'c'},
		{"requests", 1, NULL, 'r'},    {"prompt", 1, NULL, 'b'},
		{"prefix", 1, NULL, 'f'},      {"max-tokens", 1, NULL, 'm'},
		{"temperature", 1, NULL, 't'}, {"hang-up", 1, NULL, 'h'},
		{"seconds", 1, NULL, 's'},     {"trace", 1, NULL, 'T'},
		{"scale", 1, NULL, 'S'},       {"context", 1, NULL, 'C'},
		{"whole", 0, &o.whole, 1},     {"print", 0, &o.print, 1},
		{"raw", 0, &o.raw, 1},	       {NULL, 0, NULL, 0},
	};
	static const struct {
		char letter;
		unsigned *number;
	} numbers[] = {{'p', &o.port},	  {'c', &o.connections}, {'r', &o.requests},
		       {'b', &o.prompt},  {'f', &o.prefix},	 {'m', &o.max_tokens},
		       {'h', &o.hang_up}, {'s', &o.seconds},	 {'S', &o.scale},
		       {'C', &o.context}};
	int letter;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == '?')
			exit(2);
		if (letter == 't')
			o.temperature = optarg;
		if (letter == 'T')
			o.trace = optarg;
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			if (letter == numbers[i].letter)
				*numbers[i].number = (unsigned)strtoul(optarg, NULL, 10);
	}
	if (!o.port || !o.connections || o.connections > MOST_CONNECTIONS || !o.scale ||
	    !o.requests || !o.max_tokens) {
		fprintf(stderr, "client: --port is wanted, and numbers that are not 0\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	if (o.raw)
		return raw();
	asks = calloc(o.requests, sizeof(*asks));
	again = calloc(o.requests + o.connections, sizeof(*again));
	connections = calloc(o.connections, sizeof(*connections));
	if (!asks || !again || !connections)
		return 1;
	for (unsigned i = 0; i < o.requests; i++)
		asks[i] = (struct ask){.prompt = o.prompt, .max_tokens = o.max_tokens};
	if (o.trace)
		read_trace();
	for (unsigned i = 0; i < o.requests && o.print; i++)
		asks[i].tokens = calloc(asks[i].max_tokens, sizeof(unsigned));
	for (unsigned i = 0; i < o.connections; i++)
		connections[i].fd = -1;
	run();
	for (unsigned i = 0; i < o.requests && o.print; i++) {
		printf("%u:", i);
		for (unsigned t = 0; t < asks[i].nr_tokens; t++)
			printf(" %u", asks[i].tokens[t]);
		printf("\n");
	}
	return nr_failed ? 1 : 0;
}
