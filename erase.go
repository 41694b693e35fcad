package pulp

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

// What a repository, a remote or a publication leads to may be a million rows. Deleting them in
// one transaction would keep all writers waiting, in several ones would show a repository that is
// half there. So a large one is buried first: one small transaction after which nobody finds it.
// Then it is erased in batches, which the sweep has done if the task that began it ends early.

// eraseBatch is how many rows are deleted in one transaction, since all writers wait meanwhile;
// what has no more is deleted as a whole.
const eraseBatch = 1000

// A tomb is how objects of a kind are buried and erased. ?1 is the object in all statements.
type tomb struct {
	large string   // finds a row if the object is large
	bury  []string // make it vanish; ?2 is the task that does, or NULL
	parts []string // delete at most ?2 rows of what it leads to, until nothing is left
	row   string   // deletes it
	left  string   // finds those that were buried and that nobody is erasing
}

// alive leaves out what was buried.
func alive(q *bun.SelectQuery) *bun.SelectQuery { return q.Where("?TableAlias.pulp_type <> 0") }

const (
	ofRepository = "(SELECT id FROM repository_version WHERE repository_id = ?1)"
	// A buried row tells in its detail which task erases it.
	nobodyErases = `NOT EXISTS (SELECT 1 FROM task t WHERE t.id = o.detail->>'task' AND t.state IN ('running', 'canceling'))`
	largeFiles   = "EXISTS (SELECT 1 FROM published_artifact f WHERE f.publication_id = p.id LIMIT 1 OFFSET 1000)" // of publication p
)

var repositoryTomb = &tomb{
	large: "SELECT 1 FROM repository_content WHERE repository_id = ?1 LIMIT 1 OFFSET 1000",
	bury: []string{
		"UPDATE distribution SET repository_id = NULL WHERE repository_id = ?1",
		"UPDATE distribution SET version_id = NULL WHERE version_id IN " + ofRepository,
		"UPDATE distribution SET publication_id = NULL WHERE publication_id IN (SELECT id FROM publication WHERE version_id IN " + ofRepository + ")",
		"DELETE FROM role_assignment WHERE kind = 'publication' AND object_id IN (SELECT id FROM publication WHERE version_id IN " + ofRepository + ")",
		"UPDATE publication SET complete = 0, checkpoint_of = NULL, task_id = ?2 WHERE version_id IN " + ofRepository,
		"UPDATE repository_version SET complete = 0 WHERE repository_id = ?1",
		"DELETE FROM role_assignment WHERE kind = 'repository' AND object_id = ?1",
		"UPDATE repository SET pulp_type = 0, name = 'gone ' || hex(pulp_id), remote_id = NULL, pulp_labels = '{}', detail = json_object('task', ?2) WHERE id = ?1",
	},
	parts: []string{
		`DELETE FROM repository_content WHERE repository_id = ?1 AND content_id IN (
  SELECT content_id FROM repository_content WHERE repository_id = ?1 LIMIT ?2)`,
		`DELETE FROM published_artifact WHERE (publication_id, relative_path) IN (SELECT f.publication_id, f.relative_path FROM repository_version v
  CROSS JOIN publication p ON p.version_id = v.id CROSS JOIN published_artifact f ON f.publication_id = p.id WHERE v.repository_id = ?1 LIMIT ?2)`,
		`DELETE FROM repository_version WHERE id IN (SELECT id FROM repository_version WHERE repository_id = ?1 LIMIT ?2)`,
	},
	row:  "DELETE FROM repository WHERE id = ?1 AND pulp_type = 0",
	left: "SELECT o.id FROM repository o WHERE o.pulp_type = 0 AND " + nobodyErases,
}

var remoteTomb = &tomb{
	large: "SELECT 1 FROM remote_artifact WHERE remote_id = ?1 LIMIT 1 OFFSET 1000",
	bury: []string{
		"UPDATE repository SET remote_id = NULL WHERE remote_id = ?1",
		"UPDATE distribution SET remote_id = NULL WHERE remote_id = ?1",
		"DELETE FROM role_assignment WHERE kind = 'remote' AND object_id = ?1",
		`UPDATE remote SET pulp_type = 0, name = 'gone ' || hex(pulp_id), pulp_labels = '{}', client_key = NULL, proxy_username = NULL, proxy_password = NULL,
  username = NULL, password = NULL, headers = NULL, detail = json_object('task', ?2) WHERE id = ?1`,
	},
	parts: []string{"DELETE FROM remote_artifact WHERE id IN (SELECT id FROM remote_artifact WHERE remote_id = ?1 LIMIT ?2)"},
	row:   "DELETE FROM remote WHERE id = ?1 AND pulp_type = 0",
	left:  "SELECT o.id FROM remote o WHERE o.pulp_type = 0 AND " + nobodyErases,
}

// A publication needs no mark of its own: one that is not complete is invisible.
var publicationTomb = &tomb{
	large: "SELECT 1 FROM published_artifact WHERE publication_id = ?1 LIMIT 1 OFFSET 1000",
	bury: []string{
		"UPDATE distribution SET publication_id = NULL WHERE publication_id = ?1",
		"DELETE FROM role_assignment WHERE kind = 'publication' AND object_id = ?1",
		"UPDATE publication SET complete = 0, checkpoint_of = NULL, task_id = ?2 WHERE id = ?1",
	},
	parts: []string{`DELETE FROM published_artifact WHERE publication_id = ?1 AND relative_path IN (
  SELECT relative_path FROM published_artifact WHERE publication_id = ?1 LIMIT ?2)`},
	row: "DELETE FROM publication WHERE id = ?1 AND NOT complete",
	left: `SELECT p.id FROM publication p WHERE NOT p.complete AND ` + largeFiles + `
  AND NOT EXISTS (SELECT 1 FROM task t WHERE t.id = p.task_id AND t.state IN ('running', 'canceling'))`,
}

// tombs are those of all kinds that may be large, those first whose erasure takes others along.
func tombs() []*tomb { return []*tomb{repositoryTomb, remoteTomb, publicationTomb} }

// tombOf is how objects of a kind are buried; nil for kinds that are never large.
func tombOf(kind string) *tomb {
	switch kind {
	case repositoryKind:
		return repositoryTomb
	case remoteKind:
		return remoteTomb
	case publicationKind:
		return publicationTomb
	}
	return nil
}

// lower buries an object if it is large, in the transaction of its deletion. task erases it then;
// nil means whoever comes.
func (t *tomb) lower(ctx context.Context, tx bun.Tx, id int64, task *int64) (buried bool, err error) {
	if t == nil {
		return false, nil
	}
	var large int
	if err := scanOne(ctx, tx, t.large, []any{id}, &large); err != nil || large == 0 {
		return false, err
	}
	for _, query := range t.bury {
		args := []any{id, task}
		if !strings.Contains(query, "?2") {
			args = args[:1]
		}
		if _, err := tx.Tx.ExecContext(ctx, query, args...); err != nil {
			return false, fmt.Errorf("delete: %w", err)
		}
	}
	return true, nil
}

// erase deletes what was buried, batch by batch. It may end at any point and be begun again.
func (j *Job) erase(ctx context.Context, t *tomb, id int64, done *Progress) error {
	for _, query := range t.parts {
		for {
			n, err := j.exec(ctx, query, id, eraseBatch)
			if err != nil {
				return fmt.Errorf("delete in batches: %w", err)
			}
			if n == 0 {
				break
			}
			done.Add(n)
		}
	}
	_, err := j.exec(ctx, t.row, id)
	return err
}

// erasing counts what is deleted.
func (j *Job) erasing() *Progress { return j.Progress("deleting.rows", "Deleting rows", 0) }

// eraseTask erases what was buried and not erased, because the task that began it was canceled or
// lost, or since nobody wanted to wait for it.
var eraseTask = &Task[struct{}, struct{}]{Name: "pulp.tasks.erase", Run: func(ctx context.Context, j *Job, _ struct{}) (none struct{}, err error) {
	done := j.erasing()
	for _, t := range tombs() {
		err := j.app.eachID(ctx, t.left, func(id int64) error { return j.erase(ctx, t, id, done) })
		if err != nil {
			return none, err
		}
	}
	return none, nil
}}

// eraseLater has a task erase what was buried in the transaction.
func eraseLater(ctx context.Context, tx bun.Tx) error {
	_, err := eraseTask.Dispatch(ctx, tx, struct{}{}, Unique("erase"))
	return err
}

// eachID reads all ids that a query yields, and then calls f with each.
func (a *App) eachID(ctx context.Context, query string, f func(id int64) error) error {
	ids, err := scanIDs(a.db.Reader().DB.QueryContext(ctx, query))
	for _, id := range ids {
		if err == nil {
			err = f(id)
		}
	}
	return err
}

// eraseRest dispatches the task that erases, if there is something to erase that nobody is at.
func (a *App) eraseRest(ctx context.Context) error {
	for _, t := range tombs() {
		var id int64
		if err := scanOne(ctx, a.db.Reader(), t.left+" LIMIT 1", nil, &id); err != nil {
			return err
		}
		if id != 0 {
			return a.inTx(ctx, func(ctx context.Context, s *scope) error { return eraseLater(ctx, s.tx) })
		}
	}
	return nil
}
