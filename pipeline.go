package pulp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"
)

// The pipeline of a sync: units go in one by one and come out in a version, in stages that
// work at the same time. What is between two stages is bounded, so that the slowest stage
// sets the pace and memory stays flat.
//
//	Put ─► batch ─► which files are known? ─► download the others ─► keep them ─► save and associate
const (
	pipelineBatch  = 500 // units that are looked up and kept together
	storeBatch     = 250 // units that are saved in one transaction
	pipelineFlight = 4   // batches that are being downloaded at the same time
)

// A batch is a number of units and where they are on their way.
type batch struct {
	saving
	downloads []*Remotely
}

// A pipeline is run by one sync.
type pipeline struct {
	s      *Sync
	in     chan *Unit
	known  chan *batch
	loaded chan *batch
	kept   chan *batch
	group  *errgroup.Group
	ctx    context.Context
}

func newPipeline(ctx context.Context, s *Sync) *pipeline {
	p := &pipeline{s: s, in: make(chan *Unit, pipelineBatch), known: make(chan *batch, 1), loaded: make(chan *batch, 1), kept: make(chan *batch, 1)}
	p.group, p.ctx = errgroup.WithContext(ctx)
	for _, stage := range []func() error{p.collect, p.download, p.keep, p.store} {
		p.group.Go(p.calmly(stage))
	}
	return p
}

// calmly makes an error of a panic, so that it fails the task and not the process.
func (p *pipeline) calmly(f func() error) func() error {
	return func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				p.s.j.Log().Error("sync panicked", "panic", r, "stack", string(debug.Stack()))
				err = errPanicked
			}
		}()
		return f()
	}
}

// put hands a unit over; it waits while the stages are busy.
func (p *pipeline) put(ctx context.Context, u *Unit) error {
	select {
	case p.in <- u:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end waits until everything that was put is in the version. The error is that of the first
// stage that failed.
func (p *pipeline) end() error {
	close(p.in)
	err := p.group.Wait()
	for b := range p.loaded { // what was on its way when the last stage failed
		b.discard()
	}
	return err
}

// abort ends the stages without waiting for what is in them.
func (p *pipeline) abort() {
	p.group.Go(func() error { return context.Canceled })
	_ = p.end() // the caller has the error that matters
}

// collect makes batches and finds out which of their files must be downloaded.
func (p *pipeline) collect() error {
	defer close(p.known)
	b := &batch{}
	for {
		u, more := <-p.in
		if more {
			row, err := p.s.app.row(u)
			if err != nil {
				return err
			}
			b.rows, b.files = append(b.rows, row), append(b.files, u.files)
		}
		if len(b.rows) == 0 && !more {
			return nil
		}
		if len(b.rows) >= pipelineBatch || !more || len(p.in) == 0 && len(b.rows) >= pipelineBatch/10 {
			if err := p.plan(b); err != nil {
				return err
			}
			select {
			case p.known <- b:
			case <-p.ctx.Done():
				return context.Cause(p.ctx)
			}
			b = &batch{}
		}
	}
}

const knownArtifactsSQL = `SELECT a.sha256, a.size FROM json_each(?) AS f CROSS JOIN artifact a ON a.domain_id = ? AND a.sha256 = f.value`

// plan decides which files of a batch are downloaded: with the policy immediate those whose
// bytes are not here, and in any case those whose digest nobody knows.
func (p *pipeline) plan(b *batch) error {
	b.remote = p.s.remote
	var sums []string
	for _, files := range b.files {
		for i := range files {
			files[i].SHA256 = strings.ToLower(files[i].SHA256)
			sums = append(sums, files[i].SHA256)
		}
	}
	text, err := json.Marshal(sums)
	if err != nil {
		return err
	}
	here := map[string]int64{}
	err = p.s.app.eachRow(p.ctx, knownArtifactsSQL, []any{string(text), p.s.app.domain.ID}, func(scan func(...any) error) error {
		var sha string
		var size int64
		err := scan(&sha, &size)
		here[sha] = size
		return err
	})
	if err != nil {
		return fmt.Errorf("find known files: %w", err)
	}
	for _, files := range b.files {
		for i := range files {
			f := &files[i]
			size, known := here[f.SHA256]
			switch {
			case known && f.Size >= 0 && f.Size != size:
				return &TaskError{Code: "PLP0004", Text: fmt.Sprintf("%s: the metadata says %d bytes, but the file with sha256 %s has %d.", f.Path, f.Size, f.SHA256, size)}
			case f.Bytes != nil:
				b.downloads = append(b.downloads, f) // fetch has nothing to do, but somebody has to keep it
			case !known && (p.s.policy == Immediate || f.SHA256 == "") && f.URL != "":
				b.downloads = append(b.downloads, f)
			}
		}
	}
	return nil
}

// download fetches the files of several batches at the same time; the remote's concurrency
// limits how many files.
func (p *pipeline) download() error {
	defer close(p.loaded)
	group, ctx := errgroup.WithContext(p.ctx)
	group.SetLimit(p.s.client.concurrency + pipelineFlight)
	flight := make(chan struct{}, pipelineFlight)
	for b := range p.known {
		select {
		case flight <- struct{}{}:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), group.Wait())
		}
		var files sync.WaitGroup
		for _, f := range b.downloads {
			files.Add(1)
			group.Go(p.calmly(func() error {
				defer files.Done()
				return p.fetch(ctx, f)
			}))
		}
		group.Go(func() error {
			files.Wait()
			defer func() { <-flight }()
			return p.pass(ctx, b)
		})
	}
	return group.Wait()
}

// pass hands a batch on if all its files are here; else the one that failed has said why.
func (p *pipeline) pass(ctx context.Context, b *batch) error {
	if ctx.Err() != nil || slices.ContainsFunc(b.downloads, func(f *Remotely) bool { return f.Bytes == nil }) {
		b.discard()
		return context.Cause(ctx)
	}
	select {
	case p.loaded <- b:
		return nil
	case <-ctx.Done():
		b.discard()
		return context.Cause(ctx)
	}
}

func (p *pipeline) fetch(ctx context.Context, f *Remotely) error {
	if f.Bytes != nil {
		return nil
	}
	in, _, err := p.s.app.fetch(ctx, p.s.client.Client, f.request())
	if err != nil {
		return fmt.Errorf("download %s: %w", f.Path, err)
	}
	f.Bytes = in
	p.s.downloads.Add(1)
	return nil
}

// keep makes the files of a batch durable, while the batch before it is being stored.
func (p *pipeline) keep() error {
	defer close(p.kept)
	for b := range p.loaded {
		var files []*Incoming
		for _, f := range b.downloads {
			files = append(files, f.Bytes)
		}
		if err := p.s.app.keep(p.ctx, files...); err != nil {
			b.discard()
			return err
		}
		select {
		case p.kept <- b:
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		}
	}
	return nil
}

// store writes the rows of a batch and its membership, in transactions short enough for others.
func (p *pipeline) store() error {
	for b := range p.kept {
		for from := 0; from < len(b.rows); from += storeBatch {
			to := min(len(b.rows), from+storeBatch)
			part := &saving{rows: b.rows[from:to], files: b.files[from:to], remote: b.remote}
			if err := p.storePart(part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pipeline) storePart(part *saving) error {
	began := time.Now()
	var ids []int64
	err := p.s.j.Tx(p.ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		if ids, err = p.s.app.save(ctx, tx, part); err != nil {
			return err
		}
		replaced, err := p.s.version.add(ctx, tx, ids)
		if err == nil && slices.ContainsFunc(replaced, p.s.seen.has) {
			return duplicates(nil) // that one was in the repository before, but has been put, too
		}
		return err
	})
	if err != nil {
		return err
	}
	p.s.app.batched(Batch{Units: len(ids), Took: time.Since(began)})
	p.s.seen.add(ids...)
	p.s.associated.Add(int64(len(ids)))
	return nil
}

func (b *batch) discard() {
	for _, f := range b.downloads {
		f.Bytes.Discard()
	}
}
