package python_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

func TestPipInstallsWhatIsPulledThrough(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{true, false} {
		s := newSite(t, object{})
		files := releases(t, "hello", "1.0", "1.1")
		s.release(t, "hello", asJSON, files)
		if asJSON {
			out, err := pip(t, s.url("simple/"), "install", "hello", "--target", t.TempDir())
			require.NoError(t, err, out)
			require.Contains(t, out, "Successfully installed hello-1.1")
		} else {
			require.Equal(t, files[wheelName("hello", "1.1")], s.page(t, "simple/hello/"+wheelName("hello", "1.1")).Body)
		}
		require.Equal(t, []string{wheelName("hello", "1.1")}, s.names(t), "what was asked for is kept")

		// The upstream is gone.
		for path := range s.up.Files() {
			s.up.Answer(path, pulptest.Status(503))
		}
		s.up.Answer("simple/hello/", pulptest.Status(503))
		s.Update(t, s.dist.Href(), object{"hidden": true}) // forgets what the remote said
		require.Len(t, s.files(t, "hello"), 1)
		require.Equal(t, files[wheelName("hello", "1.1")], s.page(t, "simple/hello/"+wheelName("hello", "1.1")).Body)
		require.Equal(t, 502, s.page(t, "simple/hello/"+wheelName("hello", "1.0")).Code, "what is not here is not said to be nowhere")
	}
}

func TestWhatIsHereComesBeforeWhatTheRemoteHas(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{"excludes": []string{"hello==1.2"}})
	s.release(t, "hello", true, releases(t, "hello", "1.0", "1.1", "1.2"))
	own := wheel(t, "hello", "1.0", "Keywords: own\n")
	s.create(t, wheelName("hello", "1.0"), own)
	files := s.files(t, "hello")
	require.Len(t, files, 3)
	require.Equal(t, sum(own), files[wheelName("hello", "1.0")].Hashes["sha256"])
	require.NotContains(t, files, wheelName("hello", "1.2"), "the remote's fields hold")
	require.Equal(t, own, s.page(t, "simple/hello/"+wheelName("hello", "1.0")).Body)
	require.Equal(t, 404, s.page(t, "simple/hello/"+wheelName("hello", "1.2")).Code)
	metadata := s.page(t, "simple/hello/"+wheelName("hello", "1.1")+".metadata")
	require.Equal(t, map[string]any{"sha256": sum(metadata.Body)}, files[wheelName("hello", "1.1")].Metadata)
	require.Zero(t, s.up.Hits("files/"+wheelName("hello", "1.1")), "metadata needs no wheel")
}

func TestMetadataOfAMirroredWheelNeedsNoWheel(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{"includes": []string{"hello"}})
	files := releases(t, "hello", "1.0")
	name := wheelName("hello", "1.0")
	s.release(t, "hello", true, files)
	s.Completes(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()})
	s.Update(t, s.dist.Href(), object{"remote": nil}) // the repository knows the remote
	want := s.metadata(t, files[name])
	asked := s.up.Hits("files/" + name + ".metadata")
	for range 2 {
		require.Equal(t, want, string(s.page(t, "simple/hello/"+name+".metadata").Body))
	}
	require.Equal(t, asked+1, s.up.Hits("files/"+name+".metadata"))
	require.Zero(t, s.up.Hits("files/"+name))
	require.Empty(t, s.List(t, "artifacts/"))
	require.Empty(t, s.Temps(t))

	// Whatever the remote has there now, it is told what the wheel says.
	for i, lie := range []pulptest.Lie{pulptest.WrongBytes, pulptest.Status(404)} {
		s := newSite(t, object{"includes": []string{"hello"}})
		s.release(t, "hello", true, files)
		s.Completes(t, s.repo.Href()+"sync/", object{"remote": s.remote.Href()})
		s.up.Answer("files/"+name+".metadata", lie)
		require.Equal(t, want, string(s.page(t, "simple/hello/"+name+".metadata").Body), "%d", i)
		require.Equal(t, 1, s.up.Hits("files/"+name))
		s.up.Answer("files/"+name, pulptest.Status(503))
		require.Equal(t, want, string(s.page(t, "simple/hello/"+name+".metadata").Body), "the wheel is here by now")
	}
}

func TestWrongBytesOfTheRemoteReachNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{})
	files := releases(t, "hello", "1.0")
	s.release(t, "hello", true, files)
	s.up.Answer("files/hello-1.0.tar.gz", pulptest.WrongBytes)
	s.up.Answer("files/"+wheelName("hello", "1.0")+".metadata", pulptest.WrongBytes)
	require.Equal(t, 502, s.page(t, "simple/hello/hello-1.0.tar.gz").Code)
	require.Equal(t, 502, s.page(t, "simple/hello/"+wheelName("hello", "1.0")+".metadata").Code)
	require.Empty(t, s.List(t, "content/python/packages/"))
	require.Empty(t, s.Temps(t))
	out, err := pip(t, s.url("simple/"), "download", "--no-binary", ":all:", "hello", "--dest", t.TempDir())
	require.Error(t, err)
	require.Contains(t, out, "502")
}

func TestAPageOfTheRemoteIsAskedForAgainAfterAMinute(t *testing.T) {
	t.Parallel()
	clock := pulptest.NewClock()
	s := newSite(t, object{}, pulptest.Time(clock))
	const page = "simple/hello/"
	s.release(t, "hello", true, releases(t, "hello", "1.0"))
	require.Len(t, s.files(t, "hello"), 2)
	s.release(t, "hello", true, releases(t, "hello", "1.0", "1.1"))
	require.Len(t, s.files(t, "hello"), 2)
	require.Equal(t, 1, s.up.Hits(page))
	clock.Advance(61 * time.Second)
	require.Len(t, s.files(t, "hello"), 3)
	clock.Advance(61 * time.Second)
	require.Len(t, s.files(t, "hello"), 3)
	last := s.up.Requests()[len(s.up.Requests())-1]
	require.NotEmpty(t, last.Header.Get("If-None-Match"), "what did not change is not sent again")
	require.Contains(t, last.Header.Get("Accept"), "application/vnd.pypi.simple.v1+json")

	// What was read stands in for a remote that does not deliver; a project that it does not have any more is gone.
	s.up.Answer(page, pulptest.Status(503))
	clock.Advance(time.Hour)
	require.Len(t, s.files(t, "hello"), 3)
	s.up.Answer(page, pulptest.Status(404))
	clock.Advance(time.Minute)
	require.Equal(t, 404, s.page(t, page).Code)
	s.up.Answer(page, pulptest.Status(503))
	clock.Advance(time.Hour)
	require.Equal(t, 502, s.page(t, page).Code)
}

func TestManyClientsCostOneDownloadAndOnePage(t *testing.T) {
	t.Parallel()
	s := newSite(t, object{})
	files := releases(t, "hello", "1.0")
	s.release(t, "hello", true, files)
	gate := s.up.Hold("files/hello-1.0.tar.gz")
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			a, err := s.Try("GET", s.url("simple/hello/hello-1.0.tar.gz"), nil)
			if err != nil || a.Code != 200 {
				t.Errorf("%v %+v", err, a)
			}
		})
	}
	gate.Await(t, 1)
	gate.Open()
	group.Wait()
	require.Equal(t, 1, s.up.Hits("files/hello-1.0.tar.gz"))
	require.Equal(t, 1, s.up.Hits("simple/hello/"))
	for range 3 {
		require.Equal(t, 404, s.page(t, "simple/no/").Code)
	}
	require.Equal(t, 1, s.up.Hits("simple/no/"))
}
