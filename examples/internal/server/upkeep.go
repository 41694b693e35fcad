package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

// upkeep makes a copy, or verifies one, instead of serving. With both, the copy is made first.
func upkeep(ctx context.Context, cfg config, out io.Writer) error {
	if cfg.backup != "" {
		if err := backUp(ctx, cfg, out); err != nil {
			return err
		}
	}
	if cfg.verify != "" {
		return verify(ctx, cfg, out)
	}
	return nil
}

// backUp copies the data directory. A server that has it open goes on, if both say -shared.
func backUp(ctx context.Context, cfg config, out io.Writer) error {
	app, err := openExisting(ctx, cfg, cfg.data)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	began := time.Now()
	b, err := app.Backup(ctx, cfg.backup)
	if b != nil {
		fmt.Fprintf(out, "%s: %d files; %d of them, %d bytes, were new and were copied in %s\n",
			cfg.backup, b.Files, b.Copied, b.Bytes, time.Since(began).Round(time.Millisecond))
		list(out, "damaged, left out", b.Damaged)
	}
	return errors.Join(err, app.Close())
}

// verify reads everything in a data directory, or in a copy of one.
func verify(ctx context.Context, cfg config, out io.Writer) error {
	app, err := openExisting(ctx, cfg, cfg.verify)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	v, err := app.Verify(ctx)
	if v != nil {
		fmt.Fprintf(out, "%s: %d files; %d are missing, %d are damaged\n", cfg.verify, v.Files, len(v.Missing), len(v.Damaged))
		list(out, "missing", v.Missing)
		list(out, "damaged", v.Damaged)
	}
	return errors.Join(err, app.Close())
}

func list(out io.Writer, what string, sums []string) {
	for _, sum := range sums {
		fmt.Fprintf(out, "  %s: %s\n", what, sum)
	}
}

// openExisting opens a data directory that is there: a mistyped name must not make one. It runs
// no tasks.
func openExisting(ctx context.Context, cfg config, dir string) (*pulp.App, error) {
	if _, err := os.Stat(filepath.Join(dir, "pulp.db")); err != nil {
		return nil, fmt.Errorf("%s is no data directory: %w", dir, err)
	}
	services, err := cfg.services()
	if err != nil {
		return nil, err
	}
	options := []sqlite.Option{sqlite.Logger(cfg.log)}
	if cfg.shared {
		options = append(options, sqlite.Shared())
	}
	db, err := sqlite.Open(dir, options...)
	if errors.Is(err, sqlite.ErrLocked) {
		return nil, fmt.Errorf("%w\na server runs on %s: stop it, or start it with -shared and say -shared here, too", err, dir)
	}
	if err != nil {
		return nil, err
	}
	return pulp.Open(ctx, db, pulp.Config{Plugins: cfg.Plugins, SigningServices: services, Workers: -1, Logger: cfg.log})
}
