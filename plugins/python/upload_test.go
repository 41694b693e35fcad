package python_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// twine uploads a file.
func twine(t *testing.T, index, filename string, file []byte, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), filename)
	require.NoError(t, os.WriteFile(path, file, 0o600))
	return run(t, "twine", append([]string{"upload", "--non-interactive", "--disable-progress-bar", "--repository-url", index, path}, args...)...)
}

func TestTwineUploadsAndPipInstalls(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	login := []string{"-u", s.User, "-p", s.Password}
	file := wheel(t, "hello", "1.0")
	for _, path := range []string{"legacy/", "simple/"} { // the second time it is there already
		out, err := twine(t, s.url(path), wheelName("hello", "1.0"), file, login...)
		require.NoError(t, err, out)
	}
	out, err := twine(t, s.ContentURL("py/legacy/"), "hello-1.0.tar.gz", sdist(t, "hello", "1.0"), login...)
	require.NoError(t, err, out)
	require.Len(t, s.List(t, s.repo.Href()+"versions/"), 3)
	out, err = pip(t, s.url("simple/"), "install", "hello", "--target", t.TempDir())
	require.NoError(t, err, out)
	require.Contains(t, out, "Successfully installed hello-1.0")

	// A release never changes.
	other := wheel(t, "hello", "1.0", "Keywords: other\n")
	out, err = twine(t, s.url("legacy/"), wheelName("hello", "1.0"), other, append(login, "--verbose")...)
	require.Error(t, err)
	require.Contains(t, strings.Join(strings.Fields(out), " "), "File already exists: hello-1.0-py3-none-any.whl is in the repository with other content.")
	require.Equal(t, sum(file), s.files(t, "hello")[wheelName("hello", "1.0")].Hashes["sha256"])

	out, err = twine(t, s.url("legacy/"), wheelName("hello", "2.0"), wheel(t, "hello", "2.0"), "-u", s.User, "-p", "wrong")
	require.Error(t, err)
	require.Contains(t, out, "401")
}

func TestUploadsNeedPermissionAndAnIndexThatTakesThem(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	file := wheel(t, "hello", "1.0")
	nobody := *s
	client := *s.Client
	client.User = ""
	nobody.App = &pulptest.App{App: s.App.App, Client: &client, Dir: s.Dir}
	a, err := nobody.send(wheelName("hello", "1.0"), file, nil)
	require.NoError(t, err)
	require.Equal(t, 401, a.Code)
	require.NotEmpty(t, a.Header.Get("WWW-Authenticate"))
	s.Update(t, s.dist.Href(), object{"allow_uploads": false})
	a, err = s.send(wheelName("hello", "1.0"), file, nil)
	require.NoError(t, err)
	require.Equal(t, 400, a.Code)
	require.Contains(t, string(a.Body), "takes no uploads")
	require.Empty(t, s.List(t, "content/python/packages/"))
	require.Empty(t, s.Temps(t))
}

func TestAnUploadThatIsNotWhatItSaysIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	file := wheel(t, "hello", "1.0")
	for want, c := range map[string]struct {
		filename string
		more     object
	}{
		"sha256_digest: The file that came has": {wheelName("hello", "1.0"), object{"sha256_digest": strings.Repeat("0", 64)}},
		"sha256_digest: This field is required": {wheelName("hello", "1.0"), object{"sha256_digest": ""}},
		":action: Only file_upload":             {wheelName("hello", "1.0"), object{":action": "doc_upload"}},
		"is not that of a file of hello 1.0":    {wheelName("hello", "1.1"), nil},
		"no name of a file of the project":      {wheelName("hullo", "1.0"), nil},
		"no name of a package":                  {"hello.exe", nil},
	} {
		a, err := s.send(c.filename, file, c.more)
		require.NoError(t, err)
		require.Equal(t, 400, a.Code, want)
		require.Contains(t, string(a.Body), want)
	}
	require.Empty(t, s.List(t, "content/python/packages/"))
	require.Empty(t, s.Temps(t))
}

func TestTheSamePackageUploadedTwiceAtOnceIsThereOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	files := [][]byte{wheel(t, "hello", "1.0"), wheel(t, "hello", "1.0"), wheel(t, "hello", "1.0", "Keywords: other\n")}
	codes := make([]int, 6)
	var group sync.WaitGroup
	for i := range codes {
		group.Go(func() {
			a, err := s.send(wheelName("hello", "1.0"), files[i%3], nil)
			if err != nil {
				t.Error(err)
				return
			}
			codes[i] = a.Code
		})
	}
	group.Wait()
	got := s.files(t, "hello")[wheelName("hello", "1.0")].Hashes["sha256"]
	for i, code := range codes {
		want := 400
		if sum(files[i%3]) == got {
			want = 200
		}
		require.Equal(t, want, code, "%v", codes)
	}
	require.Len(t, s.List(t, s.repo.Href()+"versions/"), 2)
}

func TestAnUploadThatTakesLongIsAnsweredBeforeItIsThere(t *testing.T) {
	t.Parallel()
	clock := pulptest.NewClock()
	s := newSite(t, nil, pulptest.Time(clock))
	gate := s.Hold("pulpcore.app.tasks.repository.add_and_remove")
	answers := make(chan *pulptest.Answer, 1)
	go func() {
		a, err := s.send(wheelName("hello", "1.0"), wheel(t, "hello", "1.0"), nil)
		if err != nil {
			t.Error(err)
		}
		answers <- a
	}()
	gate.Await(t, 1)
	var a *pulptest.Answer
	require.Eventually(t, func() bool {
		clock.Advance(11 * time.Second) // also if the upload does not wait yet
		select {
		case a = <-answers:
			return true
		default:
			return false
		}
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, 202, a.Code, "%s", a.Body)
	require.Equal(t, 404, s.page(t, "simple/hello/").Code)
	gate.Open()
	require.Equal(t, "completed", s.Wait(t, a.Object(t).Text("task")).Text("state"))
	require.Len(t, s.files(t, "hello"), 1)
}

func TestAPinnedIndexTakesNoUploads(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.Update(t, s.dist.Href(), object{"repository": nil, "repository_version": s.latest(t)})
	a, err := s.send(wheelName("hello", "1.0"), wheel(t, "hello", "1.0"), nil)
	require.NoError(t, err)
	require.Equal(t, 409, a.Code, "a pinned index takes nothing: %s", a.Body)
}

func TestHostilePackagesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	good := metadataOf("hello", "1.0")
	const info = "hello-1.0.dist-info/METADATA"
	bomb := bytes.Repeat([]byte("x"), 5<<20)
	for name, c := range map[string]struct {
		filename string
		file     []byte
		want     string
	}{
		"no zip":              {"hello-1.0-py3-none-any.whl", []byte("hello"), "zip"},
		"cut off":             {"hello-1.0-py3-none-any.whl", wheel(t, "hello", "1.0")[:200], "zip"},
		"no metadata":         {"hello-1.0-py3-none-any.whl", zipOf(t, "a", "b"), "there are 0 of the file"},
		"two metadata":        {"hello-1.0-py3-none-any.whl", zipOf(t, info, good, "x.dist-info/METADATA", good), "there are 2 of the file"},
		"traversal":           {"hello-1.0-py3-none-any.whl", zipOf(t, info, good, "../../etc/cron.d/x", "x"), "leads out"},
		"absolute":            {"hello-1.0-py3-none-any.whl", zipOf(t, info, good, "/etc/x", "x"), "leads out"},
		"backslash":           {"hello-1.0-py3-none-any.whl", zipOf(t, info, good, `..\x`, "x"), "leads out"},
		"giant metadata":      {"hello-1.0-py3-none-any.whl", zipOf(t, info, good+string(bomb)), "more than the 4194304 bytes"},
		"empty metadata":      {"hello-1.0-py3-none-any.whl", zipOf(t, info, ""), "no fields"},
		"name in metadata":    {"hello-1.0-py3-none-any.whl", zipOf(t, info, metadataOf("../hello", "1.0")), "Name"},
		"version in metadata": {"hello-1.0-py3-none-any.whl", zipOf(t, info, metadataOf("hello", "1.0/..")), "Version"},
		"no gzip":             {"hello-1.0.tar.gz", []byte("hello"), "unpack .gz"},
		"tar cut off":         {"hello-1.0.tar.gz", sdist(t, "hello", "1.0")[:150], "EOF"},
		"tar traversal":       {"hello-1.0.tar.gz", tarOf(t, "hello-1.0/PKG-INFO", good, "../x", "x"), "leads out"},
		"giant PKG-INFO":      {"hello-1.0.tar.gz", tarOf(t, "hello-1.0/PKG-INFO", good+string(bomb)), "more than the 4194304 bytes"},
		"zip without":         {"hello-1.0.zip", zipOf(t, "PKG-INFO", good), "there are 0 of the file"},
		"bad name":            {"../hello-1.0.tar.gz", sdist(t, "hello", "1.0"), "no name of a package"},
		"other end":           {"hello-1.0.deb", sdist(t, "hello", "1.0"), "must end with"},
		"no wheel name":       {"hello-1.0.whl", wheel(t, "hello", "1.0"), "no name of a wheel"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.Refused(t, 400, "POST", "content/python/packages/upload/", pulptest.Form{"file": c.file, "relative_path": c.filename})
			require.Contains(t, string(a.Body), c.want)
			require.NotContains(t, string(a.Body), s.Dir)
			require.Less(t, len(a.Body), 1000)
		})
	}
	require.Empty(t, s.List(t, "content/python/packages/"))
}
