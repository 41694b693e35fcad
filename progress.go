package pulp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/uptrace/bun"
)

// A Progress tells how far a task is with one part of its work. Its numbers are live for
// whoever asks this process; their rows follow within half a second. It may be used by any
// number of goroutines.
type Progress struct {
	job      *Job
	position int
	mu       sync.Mutex
	report   ProgressReport
}

// A ProgressReport is a [Progress] at one moment, as clients see it.
type ProgressReport struct {
	Message string  `json:"message"`
	Code    string  `json:"code"`
	State   State   `json:"state"`
	Total   *int64  `json:"total"`
	Done    int64   `json:"done"`
	Suffix  *string `json:"suffix"`
}

// Progress starts a report of the task under a code, which is stable ("sync.downloading"), and
// a message, which is for people. Zero total means that it is not known. A code that the task
// has used already names the same report, which gets the new message and total.
func (j *Job) Progress(code, message string, total int64) *Progress {
	j.mu.Lock()
	i := slices.IndexFunc(j.reports, func(p *Progress) bool { return p.report.Code == code })
	if i < 0 {
		i = len(j.reports)
		j.reports = append(j.reports, &Progress{job: j, position: i, report: ProgressReport{Code: code, State: Running}})
	}
	p := j.reports[i]
	j.mu.Unlock()
	p.change(func(r *ProgressReport) { r.Message, r.Total = message, known(total) })
	return p
}

// Add adds n to what is done.
func (p *Progress) Add(n int64) { p.change(func(r *ProgressReport) { r.Done += n }) }

// Set says how much is done.
func (p *Progress) Set(n int64) { p.change(func(r *ProgressReport) { r.Done = n }) }

// SetTotal says how much there is to do. Zero means that it is not known.
func (p *Progress) SetTotal(n int64) { p.change(func(r *ProgressReport) { r.Total = known(n) }) }

// Suffix sets a remark: the name of the file at hand. An empty one takes it away.
func (p *Progress) Suffix(text string) {
	p.change(func(r *ProgressReport) {
		if r.Suffix = &text; text == "" {
			r.Suffix = nil
		}
	})
}

func known(total int64) *int64 {
	if total == 0 {
		return nil
	}
	return &total
}

func (p *Progress) change(f func(r *ProgressReport)) {
	p.mu.Lock()
	f(&p.report)
	p.mu.Unlock()
	if !p.job.inTx.Load() && !p.job.changed.Swap(true) {
		p.job.app.pool.progressed()
	}
}

func (p *Progress) now() ProgressReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report
}

// liveProgress returns the reports of a task that runs in this process; ok is false if none of
// that id does. Then its rows are the truth.
func (a *App) liveProgress(task int64) (reports []ProgressReport, ok bool) {
	j := a.live.job(task)
	if j == nil {
		return nil, false
	}
	for _, p := range j.allProgress() {
		reports = append(reports, p.now())
	}
	return reports, true
}

func (j *Job) allProgress() []*Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.reports)
}

// writeProgress writes a report's row unless the task has ended or was lost.
const writeProgress = `INSERT INTO progress_report (task_id, code, message, state, total, done, suffix, position)
SELECT id, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM task WHERE id = ?1 AND worker_id = ?2 AND attempt = ?3 AND state IN ('running', 'canceling')
ON CONFLICT (task_id, code) DO UPDATE SET message = excluded.message, total = excluded.total, done = excluded.done, suffix = excluded.suffix`

// closeReport writes the last row of a report, in the transaction that ends its task.
const closeReport = `INSERT INTO progress_report (task_id, code, message, state, total, done, suffix, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (task_id, code) DO UPDATE SET message = excluded.message, state = excluded.state, total = excluded.total,
  done = excluded.done, suffix = excluded.suffix`

// closeProgress writes all reports with the state in which the task ends.
func (j *Job) closeProgress(ctx context.Context, tx bun.Tx, end State) error {
	for _, p := range j.allProgress() {
		r := p.now()
		_, err := tx.Tx.ExecContext(ctx, closeReport, j.id, r.Code, r.Message, string(end), r.Total, r.Done, r.Suffix, p.position)
		if err != nil {
			return fmt.Errorf("record progress: %w", err)
		}
	}
	return nil
}

// flushProgress writes the reports of all tasks in which one changed, in one transaction.
func (a *App) flushProgress(ctx context.Context) error {
	jobs := a.live.changed()
	if len(jobs) == 0 {
		return nil
	}
	err := a.inTx(ctx, func(ctx context.Context, s *scope) error {
		for _, j := range jobs {
			reports, err := j.flushProgress(ctx, s.tx)
			if err != nil {
				return err
			}
			s.publish(Event{Task: j.pulpID, Name: j.name, State: Running, Progress: reports})
		}
		return nil
	})
	if err != nil {
		for _, j := range jobs {
			j.changed.Store(true)
		}
	}
	return err
}

func (j *Job) flushProgress(ctx context.Context, tx bun.Tx) (reports []ProgressReport, err error) {
	for _, p := range j.allProgress() {
		r := p.now()
		reports = append(reports, r)
		_, err := tx.Tx.ExecContext(ctx, writeProgress,
			j.id, j.worker, j.attempt, r.Code, r.Message, string(r.State), r.Total, r.Done, r.Suffix, p.position)
		if err != nil {
			return nil, fmt.Errorf("write progress: %w", err)
		}
	}
	return reports, nil
}

// byAge puts jobs into the order of their dispatch.
func byAge(x, y *Job) int { return cmp.Compare(x.id, y.id) }
