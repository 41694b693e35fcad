// Command quickstart shows the whole job in a few seconds, without a network: it starts a small
// upstream and a server in this process, and then does what a user of the REST API does. It
// mirrors the upstream's files into a repository, publishes and serves them, and checks what
// comes out. Each step is printed with the curl command that does the same.
//
//	go run ./examples/quickstart           # ends with everything removed again
//	go run ./examples/quickstart -serve    # goes on serving until Ctrl-C
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/gopulp/pulp/internal/upstream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Stdout, os.Args[1:], overHTTP)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil && ctx.Err() != nil:
		fail(errors.New("stopped before the end"))
	case err != nil:
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "\nquickstart:", err)
	os.Exit(1)
}

// files is how many files the upstream offers, and speed how many bytes it sends in a second:
// slow enough to watch.
const (
	files = 40
	speed = 16 << 20
)

// run does the job and tells about it on out. do makes the requests.
func run(ctx context.Context, out io.Writer, args []string, do doer) (err error) {
	serve, err := parse(out, args)
	if err != nil {
		return err
	}
	up := upstream.New(files)
	up.BytesPerSecond = speed
	manifest, stopUpstream, err := up.Start()
	if err != nil {
		return err
	}
	defer stopUpstream()
	s, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()

	t := &tour{ctx: ctx, out: out, server: s, up: up, manifest: manifest, do: do}
	if err := t.walk(); err != nil {
		return err
	}
	if serve {
		t.sayWhereItServes()
		<-ctx.Done()
		t.say("\nStopped; %s is removed.", s.dir)
		return nil
	}
	t.say("Everything is stopped and removed now. Run it with -serve to keep it, and try\nthe commands yourself.")
	return nil
}

// parse reads the only flag.
func parse(out io.Writer, args []string) (serve bool, err error) {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&serve, "serve", false, "go on serving after the job, until Ctrl-C")
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(out, "quickstart does the whole job once, on a server of its own. Its only flag:")
		flags.SetOutput(out)
		flags.PrintDefaults()
	case err != nil:
		err = fmt.Errorf("%w; the only flag is -serve", err)
	case flags.NArg() > 0:
		err = fmt.Errorf("nothing is known of %q; the only flag is -serve", flags.Arg(0))
	}
	return serve, err
}
