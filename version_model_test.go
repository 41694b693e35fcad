package pulp_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// An abandon is a task that changes a repository and then fails.
type abandonArgs struct {
	Repository  int64
	Add, Remove []int64
}

var abandonTask = &pulp.Task[abandonArgs, struct{}]{Name: "test.abandon", Run: func(ctx context.Context, j *pulp.Job, args abandonArgs) (struct{}, error) {
	v, err := j.NewVersion(ctx, args.Repository, nil)
	if err != nil {
		return struct{}{}, err
	}
	if err := v.Remove(ctx, args.Remove); err != nil {
		return struct{}{}, err
	}
	if err := v.Add(ctx, args.Add); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, &pulp.TaskError{Text: "abandoned"}
}}

// A versionModel is what the versions of a repository should be: sets of units.
type versionModel struct {
	href     string
	key      int64
	next     int
	retain   int
	pinned   map[int]bool // versions that a distribution serves
	versions map[int]map[string]bool
}

func (m *versionModel) latest() int { return slices.Max(slices.Collect(maps.Keys(m.versions))) }

func (m *versionModel) numbers() []int { return slices.Sorted(maps.Keys(m.versions)) }

// commit makes a version of the set, unless it equals the latest one, and applies the retention.
func (m *versionModel) commit(set map[string]bool) (number int, changed bool) {
	if maps.Equal(set, m.versions[m.latest()]) {
		return 0, false
	}
	number = m.next
	m.versions[number] = set
	m.next++
	m.prune()
	return number, true
}

func (m *versionModel) prune() {
	left := m.retain
	for _, n := range slices.Backward(m.numbers()) {
		switch {
		case m.retain == 0 || m.pinned[n]:
		case left > 0:
			left--
		default:
			delete(m.versions, n)
		}
	}
}

// A versionMachine drives an App and the model with the same steps.
type versionMachine struct {
	*site
	units []string          // hrefs
	slot  map[string]string // of each unit
	ids   map[string]int64
	repos []*versionModel
}

func TestVersionsAreWhatTheModelSays(t *testing.T) {
	t.Parallel()
	s := newFiles(t, pulptest.Parts(abandonTask))
	m := &versionMachine{site: s, slot: map[string]string{}, ids: map[string]int64{}}
	for path := range 5 {
		for body := range 3 {
			m.addUnit(t, fmt.Sprintf("p%d", path), fmt.Sprint(body))
		}
	}
	runs, most, failed := 0, 20, false
	if testing.Short() {
		most = 4
	}
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > most && !failed && !pulptest.Heavy() {
			return
		}
		defer func() { failed = failed || rt.Failed() }()
		m.repos = nil
		for range rapid.IntRange(1, 2).Draw(rt, "repositories") {
			m.repos = append(m.repos, m.newModel(rt))
		}
		steps := rapid.IntRange(10, 25).Draw(rt, "steps")
		for range steps {
			r := m.repos[rapid.IntRange(0, len(m.repos)-1).Draw(rt, "repository")]
			m.step(rt, r)
			for _, r := range m.repos {
				m.check(rt, r)
			}
		}
	})
}

func (m *versionMachine) addUnit(t pulptest.T, path, body string) {
	href := m.unit(t, path, body)
	m.units = append(m.units, href)
	m.slot[href] = path
	m.ids[href] = int64(m.count(t, "SELECT max(id) FROM content"))
}

func (m *versionMachine) newModel(t pulptest.T) *versionModel {
	r := &versionModel{href: m.repository(t).Href(), next: 1, pinned: map[int]bool{}, versions: map[int]map[string]bool{0: {}}}
	r.key = int64(m.count(t, "SELECT max(id) FROM repository"))
	return r
}

func (m *versionMachine) step(t *rapid.T, r *versionModel) {
	switch rapid.SampledFrom([]string{"modify", "modify", "modify", "clear", "base", "abandon", "delete", "delete", "retain", "pin"}).Draw(t, "step") {
	case "modify":
		m.change(t, r, r.latest(), m.draw(t, "remove"), m.draw(t, "add"), object{})
	case "clear":
		m.change(t, r, r.latest(), m.units, m.draw(t, "add"), object{"remove_content_units": []string{"*"}})
	case "base":
		base := rapid.SampledFrom(r.numbers()).Draw(t, "base")
		m.change(t, r, base, nil, m.draw(t, "add"), object{"base_version": fmt.Sprintf("%sversions/%d/", r.href, base)})
	case "abandon":
		m.abandon(t, r)
	case "delete":
		m.remove(t, r, rapid.SampledFrom(r.numbers()).Draw(t, "version"))
	case "retain":
		r.retain = rapid.IntRange(0, 3).Draw(t, "retain")
		value := any(r.retain)
		if r.retain == 0 {
			value = nil
		}
		m.Update(t, r.href, object{"retain_repo_versions": value})
		r.prune()
	case "pin":
		n := rapid.SampledFrom(r.numbers()).Draw(t, "version")
		m.distribute(t, m.name(), object{"repository_version": fmt.Sprintf("%sversions/%d/", r.href, n)})
		r.pinned[n] = true
	}
}

// draw chooses units, no two of which have the same slot.
func (m *versionMachine) draw(t *rapid.T, label string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(m.units), 0, 4, func(u string) string { return m.slot[u] }).Draw(t, label)
}

// change asks for a new version and compares what comes of it.
func (m *versionMachine) change(t *rapid.T, r *versionModel, base int, remove, add []string, body object) {
	if body["remove_content_units"] == nil {
		body["remove_content_units"] = append([]string{}, remove...)
	}
	body["add_content_units"] = add
	set := maps.Clone(r.versions[base])
	for _, u := range remove {
		delete(set, u)
	}
	for _, u := range add {
		maps.DeleteFunc(set, func(old string, _ bool) bool { return m.slot[old] == m.slot[u] })
		set[u] = true
	}
	task := m.Completes(t, r.href+"modify/", body)
	number, changed := r.commit(set)
	created := []string{}
	if changed {
		created = append(created, fmt.Sprintf("%sversions/%d/", r.href, number))
	}
	require.Equal(t, created, task.Texts("created_resources"))
	if r.retain == 0 {
		m.settled(t, r)
	}
}

// settled says that nothing is left of versions that were abandoned or deleted before.
func (m *versionMachine) settled(t *rapid.T, r *versionModel) {
	require.Zero(t, m.count(t, "SELECT count(*) FROM repository_version WHERE repository_id = ? AND NOT complete", r.key))
	require.Zero(t, m.count(t, `SELECT count(*) FROM repository_content m WHERE repository_id = ?1
AND NOT EXISTS (SELECT 1 FROM repository_version v WHERE v.repository_id = ?1
  AND v.number >= m.added AND (m.removed IS NULL OR v.number < m.removed))`, r.key), "membership that no version sees")
}

func (m *versionMachine) abandon(t *rapid.T, r *versionModel) {
	args := abandonArgs{Repository: r.key}
	for _, u := range m.draw(t, "remove") {
		args.Remove = append(args.Remove, m.ids[u])
	}
	for _, u := range m.draw(t, "add") {
		args.Add = append(args.Add, m.ids[u])
	}
	_, err := perform(m.App.App, abandonTask, args, pulp.Exclusive(m.row(t, r.href)))
	require.ErrorContains(t, err, "abandoned")
}

func (m *versionMachine) remove(t *rapid.T, r *versionModel, n int) {
	href := fmt.Sprintf("%sversions/%d/", r.href, n)
	switch {
	case r.pinned[n]:
		m.Refused(t, 400, "DELETE", href, nil)
	case len(r.versions) == 1:
		require.Equal(t, "PLP0011", m.Failed(t, m.Start(t, "DELETE", href, nil)).Text("error_code"))
	default:
		m.Delete(t, href)
		delete(r.versions, n)
	}
}

// check compares all that clients can see of a repository with the model.
func (m *versionMachine) check(t *rapid.T, r *versionModel) {
	require.Equal(t, fmt.Sprintf("%sversions/%d/", r.href, r.latest()), m.Get(t, r.href).Text("latest_version_href"))
	var numbers []int
	before := map[string]bool{}
	versions := m.List(t, r.href+"versions/")
	slices.Reverse(versions)
	for _, v := range versions {
		n := v.Number("number")
		numbers = append(numbers, n)
		now := r.versions[n]
		require.NotNil(t, now, "version %d", n)
		m.sameUnits(t, v, "repository_version", "present", now, nil)
		m.sameUnits(t, v, "repository_version_added", "added", now, before)
		m.sameUnits(t, v, "repository_version_removed", "removed", before, now)
		before = now
	}
	require.Equal(t, r.numbers(), numbers)
	require.Zero(t, m.count(t, `SELECT count(*) FROM (SELECT 1 FROM repository_content WHERE removed IS NULL GROUP BY repository_id, slot HAVING count(*) > 1)`))
}

// sameUnits compares a filter by a version with the units of one set that are not in another.
func (m *versionMachine) sameUnits(t *rapid.T, v object, filter, word string, of, without map[string]bool) {
	want := []string{}
	for u := range of {
		if !without[u] {
			want = append(want, u)
		}
	}
	got := []string{}
	for _, c := range m.List(t, fileContent, pulptest.Param(filter, v.Href()), "fields=pulp_href") {
		got = append(got, c.Href())
	}
	require.ElementsMatch(t, want, got, "%s of %s", word, v.Href())
	count := v.Object("content_summary", word, "file.file")
	require.Equal(t, len(want), count.Number("count"), "%s of %s", word, v.Href())
}
