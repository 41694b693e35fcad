package pulp_test

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

// In a bubble of synctest time begins at midnight UTC of 2000-01-01.
func TestScheduleDispatchesInItsRhythm(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]pulp.Schedule{
		"interval": {Every: time.Hour},
		"cron":     {Cron: "0 * * * *"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var runs []time.Duration
				begun := time.Now()
				task := &pulp.Task[string, int]{Name: "tick", Run: func(_ context.Context, j *pulp.Job, arg string) (int, error) {
					require.Equal(t, "arg", arg)
					require.True(t, j.Reserved("prn:r", true))
					runs = append(runs, time.Since(begun))
					return 0, nil
				}}
				s.Name, s.Work = "hourly", task.With("arg", pulp.Exclusive(plain("prn:r")))
				h := hostTasks(t, task, s)
				defer h.Close()
				defer h.stop()
				time.Sleep(3*time.Hour + time.Minute)
				synctest.Wait()
				require.Equal(t, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, runs)
				require.Equal(t, 1, h.count("SELECT count(*) FROM task_schedule s JOIN task t ON t.id = s.last_task_id WHERE t.id = 3"))
			})
		})
	}
}

func TestScheduleHasOneTaskAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		h := hostTasks(t, s.task, pulp.Schedule{Name: "often", Every: time.Minute, Work: s.task.With("it")})
		defer h.Close()
		defer h.stop()
		begun := time.Now()
		require.Equal(t, "it", <-s.started)
		time.Sleep(3*time.Minute + time.Second) // three times are skipped
		s.end("it", nil)
		require.Equal(t, "it", <-s.started)
		require.Equal(t, 5*time.Minute, time.Since(begun))
		s.end("it", nil)
		synctest.Wait()
		require.Equal(t, 2, h.count("SELECT count(*) FROM task"))
	})
}

func TestScheduleSkipsTheTimesWhenNobodyRan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task, dir := double(), t.TempDir()
		parts := []pulp.Part{task, pulp.Schedule{Name: "hourly", Every: time.Hour, Work: task.With(1)}}
		h := openTasks(t, dir, pulp.Config{Parts: parts})
		require.NoError(t, h.Close())
		time.Sleep(5*time.Hour + 30*time.Minute)
		h = openTasks(t, dir, pulp.Config{Parts: parts})
		h.run()
		synctest.Wait()
		require.Equal(t, 1, h.count("SELECT count(*) FROM task"), "one for all that were missed")
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		require.Equal(t, 2, h.count("SELECT count(*) FROM task"), "the next in the old rhythm")
		require.NoError(t, h.stop())
		require.NoError(t, h.Close())

		h = openTasks(t, dir, pulp.Config{Parts: []pulp.Part{task, pulp.Schedule{Name: "hourly", Cron: "30 4 * * 1", Work: task.With(1)}}})
		require.Equal(t, 1, h.count("SELECT count(*) FROM task_schedule WHERE rhythm = '30 4 * * 1' AND next_dispatch = ?",
			int64(pulp.TimeOf(time.Date(2000, 1, 3, 4, 30, 0, 0, time.UTC)))))
		require.NoError(t, h.Close())
		h = openTasks(t, dir, pulp.Config{Parts: []pulp.Part{task}})
		require.Zero(t, h.count("SELECT count(*) FROM task_schedule WHERE name = 'hourly'"), "it is not declared any more")
		require.NoError(t, h.Close())
	})
}

func TestBadSchedulesAreRefused(t *testing.T) {
	t.Parallel()
	task := double()
	work := task.With(1)
	for want, s := range map[string]pulp.Schedule{
		"no name":          {Every: time.Hour, Work: work},
		"no work":          {Name: "s", Every: time.Hour},
		"either":           {Name: "s", Work: work},
		"than a second":    {Name: "s", Every: 1, Work: work},
		"expected exactly": {Name: "s", Cron: "1 2", Work: work},
	} {
		require.ErrorContains(t, openFails(t, task, s), want)
	}
	good := pulp.Schedule{Name: "s", Every: time.Hour, Work: work}
	require.ErrorContains(t, openFails(t, task, good, good), "twice")
}

func TestSchedulesInTheAPI(t *testing.T) {
	t.Parallel()
	task := double()
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task,
		pulp.Schedule{Name: "a", Every: 25*time.Hour + 2*time.Second, Work: task.With(1)},
		pulp.Schedule{Name: "b", Cron: "@daily", Work: task.With(1)}}})
	page, err := h.try("task_schedules_list", pulp.Request{Query: url.Values{"name": {"a"}}})
	require.NoError(t, err)
	require.EqualValues(t, 1, page.Page.Count)
	var shown map[string]any
	require.NoError(t, json.Unmarshal(page.Page.Results[0], &shown))
	require.Equal(t, "1 01:00:02", shown["dispatch_interval"])
	require.Equal(t, "double", shown["task_name"])
	require.Nil(t, shown["last_task"])
	require.NotEmpty(t, shown["next_dispatch"])
	require.Regexp(t, "^prn:core.taskschedule:", shown["prn"])
	page, err = h.try("task_schedules_list", pulp.Request{Query: url.Values{"name__contains": {"b"}, "task_name": {"double"}}})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(page.Page.Results[0], &shown))
	require.Nil(t, shown["dispatch_interval"])
}
