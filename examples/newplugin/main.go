// Command newplugin writes a plugin to begin with: a module that builds, passes its own tests, and
// serves content, without an edit.
//
//	go run github.com/gopulp/pulp/examples/newplugin firmware -content image,manual
//
// It has types of content, a remote, a repository with sync, a publication and a distribution, tests
// against a fake upstream, a main program, a README and CI.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
)

func main() {
	switch err := run(os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "newplugin: %v; -h tells what there is\n", err)
		os.Exit(2)
	}
}

// run reads the arguments and writes the module.
func run(args []string, out io.Writer) error {
	p, dir, replace, err := parse(args, out)
	if err != nil {
		return err
	}
	files, err := p.files(replace)
	if err != nil {
		return err
	}
	if err := write(dir, files); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s has the plugin %s. Now:\n\n  cd %s\n", dir, p.Name, dir)
	if replace == "" {
		fmt.Fprintln(out, "  go mod tidy")
	}
	fmt.Fprintln(out, "  go test ./...\n  PULP_ADMIN_PASSWORD=secret go run ./cmd/server")
	return nil
}

// parse reads the arguments. The name may stand before the flags or behind them.
func parse(args []string, out io.Writer) (p plugin, dir, replace string, err error) {
	var contents names
	flags := flag.NewFlagSet("newplugin", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&contents, "content", "the `names` of types of content, separated by commas; may be given many times. Without it there is one, called as the plugin")
	flags.StringVar(&p.Module, "module", "", "the `path` of the module; example.com/NAME without it")
	flags.StringVar(&dir, "dir", "", "the `directory` to write to; ./NAME without it")
	flags.StringVar(&replace, "replace", "", "the `directory` with a clone of github.com/gopulp/pulp to build with")
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		p.Name, args = args[0], args[1:]
	}
	err = flags.Parse(args)
	rest := flags.Args()
	if p.Name == "" && len(rest) > 0 {
		p.Name, rest = rest[0], rest[1:]
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(out, "newplugin NAME [flags] writes a plugin to begin with: a Go module that is built, tested and run as it is.\nFlags:")
		flags.SetOutput(out)
		flags.PrintDefaults()
		return p, dir, replace, err
	case err == nil && len(rest) > 0:
		err = fmt.Errorf("nothing is known of %q: name one plugin, and flags behind it", rest[0])
	}
	if err != nil {
		return p, dir, replace, err
	}
	if p.Module == "" {
		p.Module = "example.com/" + p.Name
	}
	if dir == "" {
		dir = filepath.Join(".", p.Name)
	}
	return p, dir, replace, p.check(contents)
}

// names is the flag of names.
type names []string

// String makes it a flag.
func (n *names) String() string { return "" }

// Set adds the names of a list.
func (n *names) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		*n = append(*n, strings.TrimSpace(name))
	}
	return nil
}

// write makes the directory, which must be empty if it is there: nobody's work is overwritten.
func write(dir string, files map[string][]byte) error {
	there, err := os.ReadDir(dir)
	switch {
	case err == nil && len(there) > 0:
		return fmt.Errorf("the directory %s is not empty: name another one with -dir", dir)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("the directory cannot be used, name another one with -dir: %w", err)
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the directory, or name another one with -dir: %w", err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// published is the version of the platform that this program is part of; empty if it is none that can
// be downloaded.
func published() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path != platform || !strings.HasPrefix(info.Main.Version, "v") || strings.Contains(info.Main.Version, "+dirty") {
		return ""
	}
	return info.Main.Version
}
