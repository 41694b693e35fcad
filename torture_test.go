//go:build unix

package pulp_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// An arena is a server that is killed and started again while others use it.
type arena struct {
	t       *testing.T
	mu      sync.Mutex
	server  *prey
	revived chan struct{} // closed when the server that is there now is gone and another one there
	done    chan struct{}
}

func (a *arena) now() (*prey, chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.server, a.revived
}

// try sends a request once; nil says that nobody knows what became of it, and that another server
// is there now.
func (a *arena) try(method, path string, body any) *pulptest.Answer {
	v, revived := a.now()
	answer, err := v.Try(method, path, body)
	if err == nil {
		return answer
	}
	<-revived
	return nil
}

// get sends a request until it is answered.
func (a *arena) get(path string) *pulptest.Answer {
	for {
		if answer := a.try("GET", path, nil); answer != nil {
			return answer
		}
	}
}

// killing kills the server again and again until the time is over.
func (a *arena) killing(dir string, until time.Time) {
	defer close(a.done)
	for time.Now().Before(until) {
		<-time.After(time.Duration(1000+rand.IntN(5000)) * time.Millisecond)
		v, revived := a.now()
		v.kill()
		next := startPrey(a.t, dir)
		a.mu.Lock()
		a.server, a.revived = next, make(chan struct{})
		a.mu.Unlock()
		close(revived)
	}
}

func (a *arena) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// A tortured is a repository, and what its versions must hold.
type tortured struct {
	*arena
	name, base   string
	repo, remote object
	up           *pulptest.Upstream
	random       *rand.Rand
	made         int
	versions     map[string]map[string]string // by href: path → bytes
	latest       string
	lied         int
}

// unfinished waits until nothing is under way for the repository.
func (r *tortured) unfinished() {
	query := "tasks/?state__in=waiting,running,canceling&reserved_resources=" + url.QueryEscape(r.repo.Text("prn"))
	require.Eventually(r.t, func() bool { return r.get(query).Object(r.t).Number("count") == 0 }, time.Minute, 10*time.Millisecond)
}

// change does something that makes of the latest version one that holds want, or leaves all as it
// was.
func (r *tortured) change(path string, body any, want map[string]string) {
	answer := r.try("POST", path, body)
	r.unfinished()
	latest := r.get(r.repo.Href()).Object(r.t).Text("latest_version_href")
	switch _, known := r.versions[latest]; {
	case known:
		require.Equal(r.t, r.latest, latest, "nothing goes back")
		if answer != nil && answer.Code == 202 {
			task := r.get(answer.Object(r.t).Text("task")).Object(r.t)
			if task.Text("state") == "completed" {
				require.Equal(r.t, want, r.versions[latest], "%s %v", path, body)
			}
		}
	default:
		r.versions[latest], r.latest = want, latest
		r.check(latest)
	}
}

// check compares a version with its model.
func (r *tortured) check(version string) {
	page := r.get(fileContent + "?limit=1000&fields=relative_path,sha256&repository_version=" + url.QueryEscape(version)).Object(r.t)
	is, want := map[string]string{}, map[string]string{}
	for _, u := range page.Objects("results") {
		is[u.Text("relative_path")] = u.Text("sha256")
	}
	for path, body := range r.versions[version] {
		want[path] = digest(body)
	}
	require.Equal(r.t, want, is, version)
}

func (r *tortured) body() string {
	r.made++
	return strings.Repeat(fmt.Sprintf("%s %d ", r.name, r.made), 1+r.random.IntN(20_000))
}

func (r *tortured) modify() {
	want := maps.Clone(r.versions[r.latest])
	path, body := fmt.Sprintf("m/%d", r.random.IntN(12)), r.body()
	answer := r.try("POST", fileContent+"upload/", pulptest.Form{"relative_path": path, "file": []byte(body)})
	if answer == nil || answer.Code != 201 { // an orphan that was cleaned up before the answer is a 404
		return
	}
	want[path] = body
	r.change(r.repo.Href()+"modify/", object{"add_content_units": []string{answer.Object(r.t).Href()}}, want)
}

// lies are what an upstream may do to a file.
var lies = []pulptest.Lie{pulptest.WrongBytes, pulptest.Short, pulptest.Long, pulptest.Disconnect, pulptest.Status(500), pulptest.Status(404), pulptest.Stall}

func (r *tortured) sync() {
	for path := range r.up.Files() {
		r.up.Answer(path, pulptest.Truth)
	}
	for range r.random.IntN(4) {
		r.up.Put(fmt.Sprintf("s/%d", r.random.IntN(20)), r.body())
	}
	r.up.Remove(fmt.Sprintf("s/%d", r.random.IntN(20)))
	want := map[string]string{}
	for path, body := range r.up.Files() {
		want[path] = string(body)
		if r.random.IntN(12) == 0 {
			r.up.Answer(path, lies[r.random.IntN(len(lies))])
			r.lied++
		}
	}
	r.change(r.repo.Href()+"sync/", object{"remote": r.remote.Href(), "mirror": true}, want)
}

func (r *tortured) deleteVersion() {
	for version := range r.versions {
		if version == r.latest || strings.HasSuffix(version, "/versions/0/") {
			continue
		}
		answer := r.try("DELETE", version, nil)
		r.unfinished()
		code := r.get(version).Code
		if code == 404 {
			delete(r.versions, version)
		} else if answer != nil && answer.Code == 202 {
			task := r.get(answer.Object(r.t).Text("task")).Object(r.t)
			require.NotEqual(r.t, "completed", task.Text("state"), "%s was deleted and is there", version)
		}
		return
	}
}

// download reads some file of the latest version: what comes whole is right.
func (r *tortured) download() {
	for path, body := range r.versions[r.latest] {
		v, _ := r.now()
		answer := r.try("GET", v.ContentURL(r.base+"/"+path), nil)
		if answer != nil && answer.Code == 200 {
			require.Equal(r.t, digest(body), digest(string(answer.Body)), path)
		}
		return
	}
}

func (r *tortured) torture() {
	for !r.over() {
		switch r.random.IntN(10) {
		case 0, 1, 2:
			r.modify()
		case 3, 4, 5:
			r.sync()
		case 6:
			r.deleteVersion()
		case 7:
			r.try("POST", "orphans/cleanup/", object{"orphan_protection_time": 0})
		default:
			r.download()
		}
	}
}

// Uploads, syncs from upstreams that lie, cut, stall and change, modifies, deletions, clean-ups and
// downloads, while the process is killed again and again: in the end each version holds what a
// model says, each artifact's bytes are there and right, and no bytes are left over.
func TestNothingIsLostOrWrongUnderTorture(t *testing.T) {
	t.Parallel()
	if !pulptest.Heavy() {
		t.Skip("PULP_TEST_HEAVY=1 runs it")
	}
	dir := t.TempDir()
	a := &arena{t: t, server: startPrey(t, dir), revived: make(chan struct{}), done: make(chan struct{})}
	var all []*tortured
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i, policy := range []string{"immediate", "on_demand", "immediate"} {
		r := &tortured{arena: a, name: fmt.Sprint("r", i), base: fmt.Sprint("b", i), up: pulptest.NewUpstream(t), random: rand.New(rand.NewPCG(seed, uint64(i)))}
		for n := range 10 {
			r.up.Put(fmt.Sprintf("s/%d", n), r.body())
		}
		c := a.server.Client
		r.remote = c.Create(t, fileRemotes, object{"name": r.name, "url": r.up.URL(pulptest.ManifestName), "policy": policy, "max_retries": 0, "sock_read_timeout": 0.5})
		r.repo = c.Create(t, fileRepositories, object{"name": r.name, "autopublish": true})
		c.Create(t, fileDistributions, object{"name": r.name, "base_path": r.base, "repository": r.repo.Href()})
		r.latest = r.repo.Text("latest_version_href")
		r.versions = map[string]map[string]string{r.latest: {}}
		all = append(all, r)
	}
	var drivers sync.WaitGroup
	for _, r := range all {
		drivers.Go(r.torture)
	}
	a.killing(dir, time.Now().Add(60*time.Second))
	drivers.Wait()
	require.False(t, t.Failed())
	made := 0
	for _, r := range all {
		r.unfinished()
		for version := range r.versions {
			r.check(version)
		}
		there := r.get(r.repo.Text("versions_href") + "?limit=1000").Object(t)
		require.Equal(t, len(r.versions), there.Number("count"))
		made += len(r.versions)
		t.Logf("%s: %d versions, %d files made, %d lies", r.name, len(r.versions), r.made, r.lied)
	}
	require.Greater(t, made, 10)
	a.server.kill()
	s := newFiles(t, pulptest.Dir(dir))
	v, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.Positive(t, v.Files)
	s.age(t)
	s.Completes(t, "orphans/cleanup/", object{"orphan_protection_time": 0})
	named := s.count(t, "SELECT count(*) FROM artifact")
	require.Len(t, s.blobs(t), named, "no bytes that nobody names")
	require.Equal(t, s.count(t, "SELECT sum(size) FROM artifact"), s.count(t, "SELECT bytes FROM stored"))
	require.Empty(t, s.Temps(t))
	s.blobsAreTrue(t)
	require.False(t, bytes.Contains([]byte(s.Log.String()), []byte("panic")))
}
