package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/gopulp/pulp/internal/schema"
)

// A TaskScheduleRecord is what the API tells of a [Schedule].
type TaskScheduleRecord struct {
	bun.BaseModel `bun:"table:task_schedule,alias:s"`
	Key           int64  `bun:"id,pk" json:"-"`
	PulpID        ID     `bun:"pulp_id" json:"-"`
	Created       Time   `bun:"pulp_created" json:"pulp_created" pulp:"readonly"`
	Updated       Time   `bun:"pulp_last_updated" json:"pulp_last_updated" pulp:"readonly"`
	Name          string `bun:"name" json:"name" validate:"required" doc:"The name of the task schedule."`
	TaskName      string `bun:"task_name" json:"task_name" validate:"required" doc:"The name of the task to be scheduled."`
	Next          *Time  `bun:"next_dispatch" json:"next_dispatch" pulp:"readonly,null" doc:"Timestamp of the next time the task will be dispatched."`
	LastTask      *int64 `bun:"last_task_id" json:"last_task" pulp:"readonly,ref=task" doc:"The last task dispatched by this schedule."`
	Interval      *int64 `bun:"dispatch_interval" json:"-"`
}

func (s *TaskScheduleRecord) base() *Base { return &Base{ID: s.Key, PulpID: s.PulpID} }

func scheduleViews() *ViewSet[TaskScheduleRecord] {
	return &ViewSet[TaskScheduleRecord]{
		Path: "task-schedules", Name: "task schedule", class: "TaskSchedule", kind: scheduleKind, Ops: List | Read,
		sorts: map[string]string{"dispatch_interval": "s.dispatch_interval"},
		Filters: []Filter{
			compare("name", "Filter results where name matches value", Text(), readText, "s.name = ?"),
			compare("name__contains", "Filter results where name contains value", Text(), readText, "instr(s.name, ?) > 0"),
			compare("task_name", "Filter results where task_name matches value", Text(), readText, "s.task_name = ?"),
			compare("task_name__contains", "Filter results where task_name contains value", Text(), readText, "instr(s.task_name, ?) > 0"),
		},
		Serializer: Serializer[TaskScheduleRecord]{Computed: []Computed[TaskScheduleRecord]{{
			Name: "dispatch_interval", Doc: "Periodicity of the schedule.", Value: schema.Value{Type: schema.String, Nullable: true},
			input: true, // as clients expect it, though none can
			Values: func(_ context.Context, _ bun.IDB, all []*TaskScheduleRecord) ([]any, error) {
				out := make([]any, len(all))
				for i, s := range all {
					if s.Interval != nil {
						out[i] = durationText(time.Duration(*s.Interval) * time.Microsecond)
					}
				}
				return out, nil
			},
		}}},
	}
}

// durationText writes a duration as clients know it: "1 02:03:04", without days if there are
// none.
func durationText(d time.Duration) string {
	days, rest := d/(24*time.Hour), d%(24*time.Hour)
	text := fmt.Sprintf("%02d:%02d:%02d", rest/time.Hour, rest/time.Minute%60, rest/time.Second%60)
	if micros := rest % time.Second / time.Microsecond; micros > 0 {
		text += fmt.Sprintf(".%06d", micros)
	}
	if days > 0 {
		text = fmt.Sprintf("%d %s", days, text)
	}
	return text
}
