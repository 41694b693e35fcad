package pulp_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

// ended makes the rows of tasks that ended long ago, or wait since.
const ended = `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < %d)
INSERT INTO task (pulp_id, domain_id, pulp_created, pulp_last_updated, name, state, finished_at, exclusive, shared, record, args, run_at)
SELECT randomblob(16), 1, 1, 1, 'double', %s, '[]', '[]', '[]', x'', 9000000000000000 FROM n`

func TestTasksThatEndedLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	for keep, left := range map[time.Duration]int{0: 1, 100 * 24 * time.Hour: 2502, -1: 2502} {
		t.Run(keep.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				task := double()
				h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, TaskRetention: keep})
				defer h.Close()
				long := pulp.TimeOf(time.Now().Add(-31 * 24 * time.Hour))
				if keep == 0 {
					h.newGroup("left empty")
					h.exec("UPDATE task_group SET pulp_last_updated = 1")
				}
				h.exec(fmt.Sprintf(ended, 2501, fmt.Sprintf("'completed', %d", long)))
				h.exec(fmt.Sprintf(ended, 1, "'waiting', NULL"))
				h.run()
				defer h.stop()
				time.Sleep(24*time.Hour + time.Minute)
				synctest.Wait()
				require.Equal(t, left, h.count("SELECT count(*) FROM task WHERE name = 'double'"))
				require.Zero(t, h.count("SELECT count(*) FROM task_group"))
				if keep == 0 {
					require.Equal(t, 2501, h.count("SELECT done FROM progress_report WHERE task_id = (SELECT id FROM task WHERE name = 'pulp.tasks.retention')"))
				}
			})
		})
	}
}
