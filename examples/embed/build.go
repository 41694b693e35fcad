package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
)

// migrations make the host's tables, in the database that it shares with the platform.
//
//go:embed migrations/*.sql
var migrations embed.FS

// A Machine is a row of the host as it ever was: the key is its own, and nothing of package pulp
// is in it. It gets an API nevertheless.
type Machine struct {
	bun.BaseModel `bun:"table:machine,alias:m"`
	Name          string `bun:"name,pk" json:"name" validate:"required" pulp:"immutable"`
	Arch          string `bun:"arch" json:"arch" validate:"required,oneof=amd64 arm64" doc:"What it builds for."`
}

// Resource is the name under which tasks reserve the machine.
func (m *Machine) Resource() string { return "ci.machine:" + m.Name }

// A Build is one revision, built on one machine. It embeds pulp.Base, and so has an href that is
// good for ever, times and an owner, and can be reserved by itself.
type Build struct {
	bun.BaseModel `bun:"table:build,alias:b"`
	pulp.Base
	Revision string  `bun:"revision" json:"revision" validate:"required" pulp:"immutable,filter" doc:"What is built."`
	Machine  string  `bun:"machine" json:"machine" validate:"required" pulp:"immutable,filter" doc:"The machine that builds it."`
	Digest   *string `bun:"digest" json:"digest" pulp:"readonly" doc:"The sha256 of the result; null until it is built."`
}

// The models' handles, to read and write rows.
var (
	builds   = pulp.NewModel[Build]()
	machines = pulp.NewModel[Machine]()
)

// What the task "ci.compile" is told, and what it returns.
type (
	compileArgs   struct{ Build int64 }
	compileResult struct{ Digest string }
)

// compile is work in the background. Its last write and the task's end are one commit: nobody
// sees a build with a digest whose task still runs, whenever the process is killed.
var compile = &pulp.Task[compileArgs, compileResult]{
	Name: "ci.compile",
	Run: func(ctx context.Context, j *pulp.Job, args compileArgs) (compileResult, error) {
		b, err := builds.One(ctx, j.App().DB().Reader(), args.Build)
		if err != nil {
			return compileResult{}, err
		}
		j.Progress("ci.compiling", "Compiling", 1).Add(1)
		digest := fmt.Sprintf("%x", sha256.Sum256([]byte(b.Machine+" built "+b.Revision)))
		b.Digest = &digest
		j.OnFinish(func(ctx context.Context, tx bun.Tx) error { return builds.Update(ctx, tx, b, "digest") })
		return compileResult{digest}, nil
	},
}

// machineOf finds the machine that is to build b.
func machineOf(ctx context.Context, db bun.IDB, b *Build) (*Machine, error) {
	m, err := machines.One(ctx, db, b.Machine)
	if errors.Is(err, pulp.ErrNotFound) {
		return nil, pulp.FieldErrors{"machine": {"There is no such machine."}}
	}
	return m, err
}

// enqueue dispatches the task of a build. Two tasks that reserve the same machine exclusively run
// one after the other, in the order of their dispatch; all share the toolchain, which a task that
// replaces it would reserve exclusively. No lock is held: reservations are rows in tx.
func enqueue(ctx context.Context, tx bun.Tx, b *Build) (*pulp.Ticket[compileResult], error) {
	m, err := machineOf(ctx, tx, b)
	if err != nil {
		return nil, err
	}
	return compile.Dispatch(ctx, tx, compileArgs{b.ID}, pulp.Exclusive(m), pulp.Shared(pulp.Name("ci.toolchain")))
}

// parts are what the host adds to the platform: the API of its models, and its task.
func parts() []pulp.Part {
	return []pulp.Part{
		compile,
		&pulp.ViewSet[Machine]{Path: "ci/machines"},
		&pulp.ViewSet[Build]{
			Path: "ci/builds",
			Ops:  pulp.List | pulp.Read | pulp.Create | pulp.Delete,
			Serializer: pulp.Serializer[Build]{Validate: func(ctx context.Context, db bun.IDB, _, b *Build) error {
				_, err := machineOf(ctx, db, b)
				return err
			}},
			// A build that a client of the API makes is enqueued in the transaction that writes it.
			Save: func(ctx context.Context, tx bun.Tx, old, b *Build) error {
				_, err := enqueue(ctx, tx, b)
				return err
			},
			// POST <build>/rebuild/ answers 202 with the href of the task.
			Actions: []pulp.Action[Build]{pulp.Do("rebuild", rebuild)},
		},
	}
}

func rebuild(ctx context.Context, b *Build, _ struct{}) (ticket *pulp.Ticket[compileResult], err error) {
	err = pulp.FromContext(ctx).Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		ticket, err = enqueue(ctx, tx, b)
		return err
	})
	return ticket, err
}
