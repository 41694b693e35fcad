package pulp_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/pulptest"
)

// A shelving is a file that a task of the host's puts into a repository.
type shelving struct {
	Repository int64
	Path, Body string
	Fail       bool
}

// shelve is a host's own task.
var shelve = &pulp.Task[shelving, int64]{Name: "host.shelve", Run: func(ctx context.Context, j *pulp.Job, in shelving) (int64, error) {
	f, err := j.App().Receive(ctx, strings.NewReader(in.Body))
	if err != nil {
		return 0, err
	}
	defer f.Discard()
	unit, err := file.Unit(ctx, in.Path, f)
	if err != nil {
		return 0, err
	}
	v, err := j.NewVersion(ctx, in.Repository, nil)
	if err != nil {
		return 0, err
	}
	ids, err := v.Put(ctx, unit)
	if err != nil {
		return 0, err
	}
	if in.Fail {
		return 0, errors.New("too late")
	}
	_, err = v.Finish(ctx)
	return ids[0], err
}}

func TestTaskOfTheHostPutsAFileIntoARepository(t *testing.T) {
	t.Parallel()
	s := newFiles(t, pulptest.Parts(shelve), pulptest.Inline())
	href := s.repository(t, object{"autopublish": true})
	repo := s.row(t, href.Href())
	put := func(in shelving) (int64, error) {
		in.Repository = repo.ID
		return perform(s.App.App, shelve, in, pulp.Exclusive(repo))
	}
	first, err := put(shelving{Path: "a", Body: "one"})
	require.NoError(t, err)
	_, err = put(shelving{Path: "b", Body: "two"})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, s.paths(t, s.latest(t, href)))
	again, err := put(shelving{Path: "a", Body: "one"})
	require.NoError(t, err)
	require.Equal(t, first, again, "the unit was there")
	require.True(t, strings.HasSuffix(s.latest(t, href), "/versions/2/"), "nothing changed")

	pub := s.List(t, filePublications)[0]
	require.Equal(t, s.latest(t, href), pub.Text("repository_version"), "what follows from a version has happened")
	s.distribute(t, "d", object{"repository": href.Href()})
	require.Equal(t, "one", string(s.Content(t, "d/a").Body))

	_, err = put(shelving{Path: "a", Body: "replaces"})
	require.NoError(t, err)
	require.Equal(t, []string{"b", "a"}, s.paths(t, s.latest(t, href)))
	require.Equal(t, "replaces", string(s.Content(t, "d/a").Body))
	require.Empty(t, s.Temps(t))
}

func TestPutOfATaskThatFailsLeavesNoVersion(t *testing.T) {
	t.Parallel()
	s := newFiles(t, pulptest.Parts(shelve), pulptest.Inline())
	href := s.repository(t)
	repo := s.row(t, href.Href())
	_, err := perform(s.App.App, shelve, shelving{Repository: repo.ID, Path: "a", Body: "x", Fail: true}, pulp.Exclusive(repo))
	require.Error(t, err)
	require.True(t, strings.HasSuffix(s.latest(t, href), "/versions/0/"))
	_, err = perform(s.App.App, shelve, shelving{Repository: repo.ID, Path: "../a", Body: "x"}, pulp.Exclusive(repo))
	require.ErrorContains(t, err, "relative path")
	_, err = perform(s.App.App, shelve, shelving{Repository: repo.ID, Path: "a", Body: "x"}, pulp.Shared(repo))
	require.ErrorContains(t, err, "not reserved")
	require.Empty(t, s.Temps(t))
}

// A wikiPage is content of the host's own, of two files.
type wikiPage struct {
	Title string `json:"title" pulp:"key"`
}

func TestUnitsAreSavedWithTheirFilesAndOnlyWithThose(t *testing.T) {
	t.Parallel()
	pages := &pulp.ContentType[wikiPage]{Name: "page", Path: "pages"}
	s := &site{App: pulptest.New(t, pulptest.Plugins(pulp.Plugin{Name: "wiki", Version: "1.0.0", Parts: []pulp.Part{pages}}))}
	receive := func(body string) *pulp.Incoming {
		f, err := s.Receive(t.Context(), strings.NewReader(body))
		require.NoError(t, err)
		t.Cleanup(f.Discard)
		return f
	}
	text, image := receive("text"), receive("image")
	unit := pages.Unit(wikiPage{"Home"}, pulp.Remotely{Path: "index", Bytes: text}, pulp.Remotely{Path: "logo", Bytes: image})
	ids, err := s.SaveUnits(t.Context(), unit, pages.Unit(wikiPage{"Empty"}), pages.Unit(wikiPage{"Copy"}, pulp.Remotely{Path: "index", SHA256: strings.ToUpper(text.SHA256)}))
	require.NoError(t, err)
	require.Len(t, ids, 3)
	found := s.List(t, "content/wiki/pages/", "ordering=pk")
	require.Len(t, found, 3)
	require.Len(t, found[0].Object("artifacts"), 2)
	require.Empty(t, s.Temps(t))

	_, err = s.SaveUnits(t.Context(), pages.Unit(wikiPage{"Lost"}, pulp.Remotely{Path: "index", SHA256: strings.Repeat("0", 64)}))
	require.ErrorIs(t, err, pulp.ErrNotFound)
	require.ErrorContains(t, err, `"index"`)
	_, err = s.SaveUnits(t.Context(), (&pulp.ContentType[wikiPage]{Name: "other"}).Unit(wikiPage{"Foreign"}))
	require.ErrorContains(t, err, "not declared")
	require.Len(t, s.List(t, "content/wiki/pages/"), 3)

	undone := errors.New("undone")
	task := &pulp.Task[int, int]{Name: "x", Run: func(ctx context.Context, j *pulp.Job, _ int) (int, error) {
		if err := j.App().Cancel(ctx, j.ID()); err != nil {
			return 0, err
		}
		_, err := j.App().SaveUnits(context.WithoutCancel(ctx), pages.Unit(wikiPage{"Canceled"}))
		require.ErrorIs(t, err, pulp.ErrCanceled, "a canceled task writes nothing")
		return 0, undone
	}}
	h := openTasks(t, t.TempDir(), pulp.Config{Parts: []pulp.Part{task}, Plugins: []pulp.Plugin{{Name: "wiki", Version: "1.0.0", Parts: []pulp.Part{pages}}}, Inline: true})
	_, err = wait(t, dispatch(h, task, 0))
	require.ErrorIs(t, err, pulp.ErrCanceled)
}

func TestSyncTakesBytesThatItMadeItself(t *testing.T) {
	t.Parallel()
	type word struct {
		Path string `json:"path" pulp:"key,slot"`
	}
	words := &pulp.ContentType[word]{Name: "word", Path: "words", FilePath: func(w *word) string { return w.Path }}
	remotes := &pulp.RemoteType[pulp.None]{Name: "word"}
	repositories := &pulp.RepositoryType[pulp.None]{Name: "word", Content: []pulp.Part{words}, Remotes: []pulp.Part{remotes},
		Sync: pulp.SyncFunc(func(ctx context.Context, s *pulp.Sync, _ *pulp.Repository[pulp.None], _ *pulp.Remote[pulp.None], _ pulp.SyncArgs) error {
			f, err := pulp.FromContext(ctx).Receive(ctx, strings.NewReader("made"))
			if err != nil {
				return err
			}
			return s.Put(ctx, words.Unit(word{"w"}, pulp.Remotely{Bytes: f}))
		})}
	s := &site{App: pulptest.New(t, pulptest.Plugins(pulp.Plugin{Name: "word", Version: "1.0.0", Parts: []pulp.Part{words, remotes, repositories}}))}
	remote := s.Create(t, "remotes/word/word/", object{"name": "r", "url": "http://127.0.0.1/"})
	repo := s.Create(t, "repositories/word/word/", object{"name": "r"})
	s.Completes(t, repo.Href()+"sync/", object{"remote": remote.Href()})
	require.Len(t, s.List(t, "content/word/words/", pulptest.Param("repository_version", s.latest(t, repo))), 1)
	artifact := s.List(t, "artifacts/")[0]
	_, err := os.Stat(s.Dir + "/media/" + artifact.Text("file"))
	require.NoError(t, err)
	require.Empty(t, s.Temps(t))
}

func TestWaitTakesAnID(t *testing.T) {
	t.Parallel()
	task := double()
	h := hostTasks(t, task)
	ticket := dispatch(h, task, 21)
	result, err := h.Wait(t.Context(), ticket.ID)
	require.NoError(t, err)
	require.JSONEq(t, "42", string(result))
	_, err = h.Wait(t.Context(), pulp.NewID())
	require.ErrorIs(t, err, pulp.ErrNotFound)
	held := dispatch(h, task, 1, pulp.After(1<<40))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err = h.Wait(ctx, held.ID)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, h.Cancel(t.Context(), held.ID))
	_, err = h.Wait(t.Context(), held.ID)
	require.ErrorIs(t, err, pulp.ErrCanceled)
}
