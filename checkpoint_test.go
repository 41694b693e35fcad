package pulp_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
)

// checkpoints makes a repository with a checkpoint at each of some times, which hold the file "a"
// with their numbers, and a publication that is none. It returns the publications.
func (s *site) checkpoints(t *testing.T, repo object, times ...string) (out []object) {
	t.Helper()
	for i, at := range times {
		s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "dir/a", fmt.Sprint(i))}})
		p := s.publish(t, object{"repository": repo.Href(), "checkpoint": true})
		require.Equal(t, true, p["checkpoint"])
		s.date(t, p, at)
		out = append(out, p)
	}
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "dir/a", "no checkpoint")}})
	s.publish(t, object{"repository": repo.Href()})
	return out
}

// date sets when a publication was made.
func (s *site) date(t *testing.T, p object, at string) {
	t.Helper()
	made, err := time.Parse("20060102T150405.999999Z", at)
	require.NoError(t, err)
	_, err = s.DB().Writer().DB.Exec("UPDATE publication SET pulp_created = ? WHERE pulp_id = ?", pulp.TimeOf(made), guardIDOf(t, p))
	require.NoError(t, err)
}

func TestCheckpointsAreServedByTheirTimes(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	s.checkpoints(t, repo, "20200101T000000Z", "20210101T120000.25Z", "20210101T120000.75Z")
	s.distribute(t, "c", object{"repository": repo.Href(), "checkpoint": true})
	s.distribute(t, "d", object{"repository": repo.Href()})
	require.Equal(t, "no checkpoint", s.ask("GET", "d/dir/a", nil).Body.String())
	future := time.Now().UTC().Add(time.Hour).Format("20060102T150405Z")
	for path, want := range map[string]struct {
		code     int
		location string
		body     string
	}{
		"c":                                {301, "c/", ""},
		"c/20200101T000000Z":               {301, "c/20200101T000000Z/", ""},
		"c/20200101T000000Z/":              {200, "", `<a href="dir/">`},
		"c/20200101T000000Z/dir":           {301, "c/20200101T000000Z/dir/", ""},
		"c/20200101T000000Z/dir/a":         {200, "", "0"},
		"c/20200101T000000Z/no":            {404, "", ""},
		"c/20200101T000001Z/dir/a":         {301, "c/20200101T000000Z/dir/a", ""},
		"c/20210101T115959Z/dir/":          {301, "c/20200101T000000Z/dir/", ""},
		"c/20210101T120000Z/dir/a":         {200, "", "2"},
		"c/20240229T000000Z/x%20y":         {301, "c/20210101T120000Z/x%20y", ""},
		"c/20240229T000000Z":               {301, "c/20210101T120000Z/", ""},
		"c/20191231T235959Z/dir/a":         {404, "", ""},
		"c/" + future + "/dir/a":           {404, "", ""},
		"c/20230229T000000Z/":              {404, "", ""},
		"c/2020-01-01T00:00:00Z/":          {404, "", ""},
		"c/20200101T000000.5Z/":            {404, "", ""},
		"c/dir/a":                          {404, "", ""},
		"c/20200101T000000Z/PULP_MANIFEST": {200, "", "dir/a,"},
	} {
		w := s.ask("GET", path, nil)
		require.Equal(t, want.code, w.Code, "%s: %s", path, w.Body)
		if want.location != "" {
			require.Equal(t, "/pulp/content/"+want.location, w.Header().Get("Location"), path)
		}
		require.Contains(t, w.Body.String(), want.body, path)
	}
	listing := s.ask("GET", "c/", nil).Body.String()
	require.Equal(t, [][]string{{"", "20200101T000000Z/"}, {"", "20210101T120000Z/"}}, hrefs(listing))
}

func hrefs(page string) (out [][]string) {
	for _, m := range regexp.MustCompile(`<a href="(\d[^"]*)">`).FindAllStringSubmatch(page, -1) {
		out = append(out, []string{"", m[1]})
	}
	return out
}

func TestCheckpointsNeedARepository(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	version := s.latest(t, repo)
	s.Refused(t, 400, "POST", filePublications, object{"repository_version": version, "checkpoint": true})
	require.Equal(t, false, s.publish(t, object{"repository_version": version, "checkpoint": false})["checkpoint"])
	for _, of := range []object{{}, {"repository_version": version}} {
		a := s.Refused(t, 400, "POST", fileDistributions, s.with([]object{of}, object{"base_path": "d", "checkpoint": true}))
		require.Contains(t, string(a.Body), `"checkpoint"`)
	}
	d := s.distribute(t, "d", object{"repository": repo.Href(), "checkpoint": true})
	s.Refused(t, 400, "PATCH", d.Href(), object{"repository": nil})
	require.Equal(t, 404, s.ask("GET", "d/20200101T000000Z/", nil).Code)
	require.Equal(t, 200, s.ask("GET", "d/", nil).Code)
	s.Delete(t, repo.Href())
	require.Equal(t, 404, s.ask("GET", "d/", nil).Code)
}

func TestTypesWithoutCheckpointsDoNotShowThem(t *testing.T) {
	t.Parallel()
	s, _ := newBoxSite(t)
	boxes := s.boxes(t)
	s.Refused(t, 400, "POST", "publications/box/box/", object{"repository": boxes.Href(), "checkpoint": false})
	d := s.Create(t, "distributions/box/box/", s.with(nil, object{"base_path": "b"}))
	require.NotContains(t, d, "checkpoint")
	require.Empty(t, s.List(t, "distributions/box/box/", "checkpoint=true"))
	require.NotContains(t, s.List(t, "distributions/")[0], "checkpoint")
}

func TestCheckpointsAreListed(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	made := s.checkpoints(t, repo, "20200101T000000Z", "20210101T000000Z")
	s.distribute(t, "c", object{"repository": repo.Href(), "checkpoint": true})
	s.distribute(t, "d", object{"repository": repo.Href()})
	for _, path := range []string{filePublications, "publications/"} {
		require.Len(t, s.List(t, path, "checkpoint=true"), 2)
		require.Len(t, s.List(t, path, "checkpoint=false"), 1)
		require.Equal(t, made[0].Href(), s.List(t, path, "ordering=-checkpoint,pulp_created")[0].Href())
		require.Len(t, s.List(t, path, "ordering=complete,-pass_through"), 3)
	}
	for _, path := range []string{fileDistributions, "distributions/"} {
		require.Equal(t, "c", s.List(t, path, "checkpoint=true")[0].Text("base_path"))
		require.Equal(t, "d", s.List(t, path, "ordering=checkpoint")[0].Text("base_path"))
	}
}

func TestRepositoryRetainsCheckpoints(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo, other := s.repository(t, object{"retain_checkpoints": 2}), s.repository(t)
	kept := s.checkpoints(t, other, "20200101T000000Z")
	made := s.checkpoints(t, repo, "20200101T000000Z", "20210101T000000Z", "20220101T000000Z")
	states := func() (out []any) {
		for _, p := range made {
			out = append(out, s.Get(t, p.Href())["checkpoint"])
		}
		return out
	}
	require.Equal(t, []any{false, true, true}, states())
	s.Update(t, repo.Href(), object{"retain_checkpoints": 1})
	require.Equal(t, []any{false, false, true}, states())
	require.Equal(t, true, s.Get(t, kept[0].Href())["checkpoint"])
	require.Len(t, s.List(t, fileRepositories, "retain_checkpoints=1"), 1)
	require.Len(t, s.List(t, "repositories/", "retain_checkpoints__gt=0"), 1)
	s.Refused(t, 400, "PATCH", repo.Href(), object{"retain_checkpoints": 0})
}

func TestVersionsWithCheckpointsAreKeptWhileTheyAreServed(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	s.checkpoints(t, repo, "20200101T000000Z", "20210101T000000Z")
	d := s.distribute(t, "c", object{"repository": repo.Href(), "checkpoint": true})
	first := repo.Href() + "versions/1/"
	s.Refused(t, 400, "DELETE", first, nil)
	for _, body := range []string{"x", "y"} {
		s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "dir/a", body)}})
	}
	s.Update(t, repo.Href(), object{"retain_repo_versions": 1})
	var numbers []int
	for _, v := range s.List(t, repo.Href()+"versions/") {
		numbers = append(numbers, v.Number("number"))
	}
	require.Equal(t, []int{5, 3, 2, 1}, numbers, "the latest one, what is published last, two checkpoints")
	require.Equal(t, "0", s.ask("GET", "c/20200101T000000Z/dir/a", nil).Body.String())
	s.Update(t, d.Href(), object{"checkpoint": false})
	s.Wait(t, s.Do(t, "DELETE", first, nil).Object(t).Text("task"))
	s.Update(t, d.Href(), object{"checkpoint": true})
	require.Equal(t, 404, s.ask("GET", "c/20200101T000000Z/dir/a", nil).Code)
	require.Equal(t, "1", s.ask("GET", "c/20210101T000000Z/dir/a", nil).Body.String())
}

func TestGuardsDecideAboutCheckpoints(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	s.checkpoints(t, repo, "20200101T000000Z")
	g := s.guard(t, headerGuards, object{"header_name": "x-key", "header_value": "v"})
	s.distribute(t, "c", object{"repository": repo.Href(), "checkpoint": true, "content_guard": g.Href()})
	for _, path := range []string{"c", "c/", "c/20200101T000000Z", "c/20200101T000000Z/dir/a", "c/20240101T000000Z/", "c/x"} {
		require.Equal(t, 403, s.ask("GET", path, nil).Code, path)
	}
	for range 2 {
		require.Equal(t, "0", s.ask("GET", "c/20200101T000000Z/dir/a", withHeader("x-key", "v")).Body.String())
		require.Equal(t, 403, s.ask("GET", "c/20200101T000000Z/dir/a", nil).Code)
	}
}
