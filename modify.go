package pulp

import (
	"context"
	"slices"

	"github.com/uptrace/bun"
)

// ModifyArgs is the body of the action that adds units to a repository and removes some.
type ModifyArgs struct {
	Add       []string `json:"add_content_units" doc:"A list of content units to add to a new repository version. This content is added after remove_content_units are removed."`
	Remove    []string `json:"remove_content_units" doc:"A list of content units to remove from the latest repository version. You may also specify '*' as an entry to remove all content. This content is removed before add_content_units are added."`
	Base      *int64   `json:"base_version" pulp:"notnull,ref=repository_version" doc:"A repository version whose content will be used as the initial set of content for the new repository version"`
	Overwrite bool     `json:"overwrite" default:"true" doc:"When false, the task fails if a unit would be replaced."`
}

type modifyTaskArgs struct {
	Repository  int64
	Add, Remove []int64
	All         bool
	Base        *int64
	Overwrite   bool
}

var modifyTask = &Task[modifyTaskArgs, struct{}]{Name: "pulpcore.app.tasks.repository.add_and_remove", Run: runModify}

// modify answers POST modify/.
func modify[D any](ctx context.Context, repo *Repository[D], in ModifyArgs) (*Ticket[struct{}], error) {
	a := FromContext(ctx)
	args := modifyTaskArgs{Repository: repo.ID, Base: in.Base, Overwrite: in.Overwrite}
	if args.All = slices.Contains(in.Remove, "*"); args.All && len(in.Remove) > 1 {
		return nil, FieldErrors{"remove_content_units": {"Cannot supply content units and '*'."}}
	}
	var err error
	if args.Add, err = a.units(ctx, "add_content_units", in.Add); err != nil {
		return nil, err
	}
	if !args.All {
		if args.Remove, err = a.units(ctx, "remove_content_units", in.Remove); err != nil {
			return nil, err
		}
	}
	if in.Base != nil {
		v, err := NewModel[Version]().First(ctx, a.db.Reader(), byKey(*in.Base))
		if err != nil {
			return nil, err
		}
		if v.RepositoryID != repo.ID {
			return nil, FieldErrors{"base_version": {"The version is not one of this repository."}}
		}
	}
	var ticket *Ticket[struct{}]
	err = a.Tx(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		ticket, err = modifyTask.Dispatch(ctx, tx, args, Exclusive(repo))
		return err
	})
	return ticket, err
}

// units finds the units that hrefs or PRNs name, and says which do not exist for the caller.
func (a *App) units(ctx context.Context, field string, names []string) ([]int64, error) {
	return a.named(ctx, a.db.Reader(), field, contentKind, "content units", names)
}

func runModify(ctx context.Context, j *Job, args modifyTaskArgs) (struct{}, error) {
	var base *Version
	if args.Base != nil {
		var err error
		if base, err = NewModel[Version]().First(ctx, j.app.db.Reader(), byKey(*args.Base), completeVersion); err != nil {
			return struct{}{}, err
		}
	}
	v, err := j.NewVersion(ctx, args.Repository, base)
	if err != nil {
		return struct{}{}, err
	}
	if args.All {
		_, err = v.RemoveIf(ctx, func(int64) bool { return true })
	} else {
		err = v.Remove(ctx, args.Remove)
	}
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, v.addAndFinish(ctx, args.Add, args.Overwrite)
}

const replacedSQL = `SELECT c.id FROM json_each(?2) AS unit CROSS JOIN content c ON c.id = unit.value
CROSS JOIN repository_content m ON m.repository_id = ?1 AND m.slot = c.slot AND m.removed IS NULL
WHERE m.content_id <> c.id LIMIT 1`

// addAndFinish adds units, and completes the version with all that follows from a new one.
func (v *NewVersion) addAndFinish(ctx context.Context, units []int64, overwrite bool) error {
	a := v.j.app
	if !overwrite {
		var one int64
		if err := scanOne(ctx, a.db.Reader(), replacedSQL, []any{v.RepositoryID, jsonIDs(units)}, &one); err != nil {
			return err
		}
		if one != 0 {
			return &TaskError{Code: "PLP0023", Text: "Content would replace a unit with the same key in the repository, and overwrite is false."}
		}
	}
	if err := v.Add(ctx, units); err != nil {
		return err
	}
	_, err := v.Finish(ctx)
	return err
}
