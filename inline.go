package pulp

import (
	"context"
	"fmt"
	"time"
)

// What a RunTx handler may take, since all writers wait for it, and how often it may take
// longer before its type runs on workers only.
const (
	slowInline = 50 * time.Millisecond
	slowLimit  = 3
)

// endInline needs no fence: nobody else has ever seen the task.
const endInline = `UPDATE task SET state = ?, result = ?, error = ?, finished_at = ?, pulp_last_updated = ? WHERE id = ?`

// runInline runs a task inside the transaction that dispatches it, if it is not blocked. It
// needs no reservation rows: as long as it runs, the transaction keeps everybody else out, and
// what the handler dispatches starts after the commit at the earliest.
func (d *dispatch) runInline(ctx context.Context, s *scope) error {
	switch at, err := d.insert(ctx, Running, nil); {
	case err != nil:
		return err
	case at == ready: // its type is paused
		return d.announce(ctx, s, d.app.pool.wake)
	case at != started:
		return nil
	}
	j := &Job{assignment: d.assignment(0), app: d.app}
	j.inTx.Store(true)
	defer j.removeDir()
	j.ctx = context.WithValue(ctx, jobKey, j)
	out, err := d.app.conclude(j.ctx, d.tx, s, j, outcome{})
	if err != nil {
		return err
	}
	now := d.app.now()
	if _, err := d.tx.Tx.ExecContext(ctx, endInline, string(out.state), nullable(out.result), nullable(out.err), now, now, d.id); err != nil {
		return fmt.Errorf("record end of task: %w", err)
	}
	if err := j.writeRest(ctx, d.tx, out.state); err != nil {
		return err
	}
	d.early, d.state = &out, out.state
	return nil
}

// nullable makes NULL of no JSON, and text of JSON.
func nullable(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}
