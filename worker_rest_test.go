package pulp_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

func TestEachFilterOfWorkers(t *testing.T) {
	t.Parallel()
	clock := pulptest.NewClock()
	s := &site{App: pulptest.New(t, pulptest.Manual(), pulptest.Time(clock))}
	for name, beat := range map[string]time.Duration{"1@Alpha": 0, "2@beta": 10 * time.Minute} {
		_, err := s.DB().Writer().DB.Exec(`INSERT INTO worker (pulp_id, name, versions, pulp_created, pulp_last_updated, last_heartbeat) VALUES (?, ?, '{}', 1, 1, ?)`,
			pulp.NewID(), name, pulp.TimeOf(clock.Now().Add(beat)))
		require.NoError(t, err)
	}
	clock.Advance(10 * time.Minute)
	const one, two, both = "1@Alpha", "2@beta", "1@Alpha 2@beta"
	at := "2030-01-01T00:10:00Z"
	first := s.List(t, "workers/", "name=1@Alpha")[0]
	id := strings.Split(first.Href(), "/")[5]
	cases := map[string]string{
		"name=1@Alpha": one, "name=1@alpha": "", "name__iexact=1@ALPHA": one, "name__in=1@Alpha,2@beta,x": both, "name__contains=Alp": one, "name__contains=alp": "",
		"name__icontains=ALP": one, "name__startswith=2@": two, "name__startswith=beta": "", "name__istartswith=2@BE": two, "name__istartswith=@": "",
		"name__regex=^[12]@A": one, "name__regex=^[12]@a": "", "name__iregex=^[12]@a": one,
		"last_heartbeat=" + at: two, "last_heartbeat__lt=" + at: one, "last_heartbeat__lte=" + at: both, "last_heartbeat__gt=" + at: "", "last_heartbeat__gte=" + at: two,
		"last_heartbeat__range=2030-01-01,2030-01-01T00:01:00Z": one, "last_heartbeat__isnull=true": "", "last_heartbeat__isnull=false": both,
		"online=true": two, "online=false": one, "missing=true": one, "missing=false": two,
		"pulp_href__in=" + first.Href(): one, "prn__in=" + first.Text("prn"): one, "pulp_id__in=" + id: one, "q=name__contains='@' AND NOT online=true": one,
	}
	findsEach(t, s, "workers/", "name", strings.Fields(both), cases)
	requireAllParameters(t, s, "workers/", cases)
	s.Refused(t, 400, "GET", "workers/?name__regex=(", nil)
	s.Refused(t, 400, "GET", "workers/?online=maybe", nil)
}

func TestWorkerNamesTheTaskThatItRuns(t *testing.T) {
	t.Parallel()
	s, work := newFiles(t), "pulpcore.app.tasks.purge.purge"
	gate := s.Hold(work)
	task := s.Start(t, "POST", "tasks/purge/", object{})
	gate.Await(t, 1)
	require.Equal(t, task, s.List(t, "workers/")[0].Text("current_task"))
	gate.Open()
	s.Wait(t, task)
	require.Nil(t, s.List(t, "workers/")[0]["current_task"])
}

func TestEachFilterOfSchedules(t *testing.T) {
	t.Parallel()
	work := &pulp.Task[string, string]{Name: "work.Nightly", Run: func(context.Context, *pulp.Job, string) (string, error) { return "", nil }}
	s := &site{App: pulptest.New(t, pulptest.Manual(), pulptest.Parts(work,
		pulp.Schedule{Name: "Backup", Every: 90 * time.Minute, Work: work.With("")}, pulp.Schedule{Name: "backup.weekly", Cron: "@weekly", Work: work.With("")}))}
	const both = "Backup backup.weekly"
	first := s.List(t, "task-schedules/", "name=Backup")[0]
	cases := map[string]string{
		"name=Backup": "Backup", "name=backup": "", "name__contains=ackup": both, "name__contains=WEEK": "",
		"task_name=work.Nightly": both, "task_name=work": "", "task_name__contains=Night": both, "task_name__contains=night": "",
		"pulp_href__in=" + first.Href(): "Backup", "prn__in=" + first.Text("prn"): "Backup", "pulp_id__in=" + strings.Split(first.Href(), "/")[5]: "Backup",
		"q=NOT name=Backup": "backup.weekly",
	}
	findsEach(t, s, "task-schedules/", "name", strings.Fields(both), cases)
	requireAllParameters(t, s, "task-schedules/", cases)
	require.Equal(t, "01:30:00", first.Text("dispatch_interval"))
	longest := s.List(t, "task-schedules/", "ordering=-dispatch_interval")
	require.Equal(t, "1 00:00:00", longest[0].Text("dispatch_interval"))
	require.Nil(t, longest[len(longest)-1]["dispatch_interval"])
}
