/* SPDX-License-Identifier: MIT */
/*
 * tools/top_screen.c - the terminal: taking it, drawing, keys, and giving it back as it was, also
 * after Ctrl-C, a hang-up and Ctrl-Z. Calls libc only.
 *
 * The escape sequences are those that every terminal of the last decades understands, so no library
 * is needed: the other screen, an invisible cursor, go home, clear to the end of line and screen.
 *
 * The signals are blocked but for the time in top_screen_wait(), so a handler only notes its number.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tools/top.h"

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

static struct {
	bool is_open;
	bool has_keys;	       /* standard input is a terminal, too */
	struct termios before; /* then: its settings */
	sigset_t mask_before;
	bool is_bound; /* signals are handled */
} screen;

static volatile sig_atomic_t end_signal, wants_stop;

static void handle_end(int number)
{
	end_signal = number;
}

static void handle_stop(int number)
{
	(void)number;
	wants_stop = 1;
}

static void handle_resize(int number)
{
	(void)number;
}

static void bind_signals(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction action = {.sa_handler = handle_end};
	sigset_t blocked;

	sigemptyset(&blocked);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaction(ends[i], &action, NULL);
		sigaddset(&blocked, ends[i]);
	}
	action.sa_handler = handle_stop;
	sigaction(SIGTSTP, &action, NULL);
	sigaddset(&blocked, SIGTSTP);
	action.sa_handler = handle_resize;
	sigaction(SIGWINCH, &action, NULL);
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, &screen.mask_before);
	screen.is_bound = true;
}

/* All of it, whatever interrupts. Returns 0 or -errno. */
static int write_all(const char *text, size_t size)
{
	while (size > 0) {
		ssize_t done = write(STDOUT_FILENO, text, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		size -= (size_t)done;
	}
	return 0;
}

void top_screen_open(void)
{
	struct termios settings;

	if (!screen.is_bound)
		bind_signals();
	screen.has_keys = tcgetattr(STDIN_FILENO, &screen.before) == 0;
	if (screen.has_keys) {
		settings = screen.before;
		settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		settings.c_cc[VMIN] = 1;
		settings.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &settings);
	}
	screen.is_open = true;
	write_all(ENTER, strlen(ENTER));
}

void top_screen_close(void)
{
	if (!screen.is_open)
		return;
	screen.is_open = false;
	write_all(LEAVE, strlen(LEAVE));
	if (screen.has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.before);
}

void top_screen_size(unsigned *rows, unsigned *columns)
{
	struct winsize size;

	*rows = 24;
	*columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return;
	if (size.ws_row > 0)
		*rows = size.ws_row;
	if (size.ws_col > 0)
		*columns = size.ws_col;
}

/* In one write, so that it does not flicker. No newline behind the last row: it would scroll. */
int top_screen_show(const char *text, unsigned first_line)
{
	unsigned rows, columns, row = 0;
	char *out = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&out, &size);
	int error;

	if (!stream)
		return -ENOMEM;
	top_screen_size(&rows, &columns);
	for (; first_line > 0 && strchr(text, '\n'); first_line--)
		text = strchr(text, '\n') + 1;
	fputs("\033[H", stream);
	for (; *text && row < rows; row++) {
		size_t length = strcspn(text, "\n");

		fprintf(stream, "%s%.*s\033[K", row ? "\r\n" : "", (int)length, text);
		text += length + (text[length] == '\n');
	}
	fputs("\033[J", stream);
	if (fclose(stream))
		error = -ENOMEM;
	else
		error = write_all(out, size);
	free(out);
	return error;
}

/* Ctrl-Z: the shell gets its terminal as it was, and we ours when we go on. */
static void stop_for_a_while(void)
{
	struct sigaction action = {.sa_handler = handle_stop};
	sigset_t stop;

	wants_stop = 0;
	top_screen_close();
	signal(SIGTSTP, SIG_DFL);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	/* Here it stands until somebody lets it go on. */
	sigprocmask(SIG_BLOCK, &stop, NULL);
	sigaction(SIGTSTP, &action, NULL);
	top_screen_open();
}

/*
 * What one more byte from the keyboard means; moves are added to *lines. An arrow's bytes may come in
 * two reads, so what has been seen of one is remembered.
 */
static enum top_key take_byte(char byte, int *lines)
{
	static enum { PLAIN, ESCAPE, ARROW } state;
	const int before = state;

	state = PLAIN;
	if (before == ARROW)
		*lines += byte == 'B' ? 1 : byte == 'A' ? -1 : 0;
	else if (byte == '\033')
		state = ESCAPE;
	else if (before == ESCAPE && (byte == '[' || byte == 'O'))
		state = ARROW;
	else if (byte == 'q' || byte == 'Q')
		return TOP_KEY_QUIT;
	else
		*lines += byte == 'j' ? 1 : byte == 'k' ? -1 : 0;
	return TOP_KEY_NONE;
}

static enum top_key read_keys(int *lines)
{
	char bytes[64];
	ssize_t nr = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (nr < 0)
		return errno == EINTR || errno == EAGAIN ? TOP_KEY_NONE : TOP_KEY_QUIT;
	if (nr == 0)
		return TOP_KEY_QUIT;
	for (ssize_t i = 0; i < nr; i++)
		if (take_byte(bytes[i], lines) == TOP_KEY_QUIT)
			return TOP_KEY_QUIT;
	return TOP_KEY_NONE;
}

enum top_key top_screen_wait(double seconds, int *lines)
{
	struct pollfd keyboard = {.fd = screen.has_keys ? STDIN_FILENO : -1, .events = POLLIN};
	struct timespec wait = {.tv_sec = (time_t)seconds};
	int nr;

	*lines = 0;
	wait.tv_nsec = (long)((seconds - (double)wait.tv_sec) * 1e9);
	nr = ppoll(&keyboard, 1, &wait, &screen.mask_before);
	if (end_signal)
		return TOP_KEY_SIGNAL;
	if (wants_stop)
		stop_for_a_while();
	return nr > 0 ? read_keys(lines) : TOP_KEY_NONE;
}

int top_screen_signal(void)
{
	return end_signal;
}
