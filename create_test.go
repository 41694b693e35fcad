package pulp_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

func digest(body string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(body))) }

// sent sends a form and waits for what comes of it.
func (s *site) sent(t *testing.T, path string, form pulptest.Form) object {
	t.Helper()
	return s.Completes(t, path, form)
}

// upload makes an upload of pieces in random order.
func (s *site) upload(t *testing.T, body string, pieces int) string {
	t.Helper()
	href := s.Create(t, "uploads/", object{"size": len(body)}).Href()
	step := (len(body) + pieces - 1) / pieces
	for _, i := range rand.Perm(pieces) {
		from, to := i*step, min(len(body), (i+1)*step)
		a := s.Do(t, "PUT", href, pulptest.Form{"file": []byte(body[from:to]), "sha256": digest(body[from:to])},
			"Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(body)))
		require.Equal(t, 200, a.Code, "%s", a.Body)
	}
	return href
}

func TestUnitsComeFromFourSources(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("secret", "url")
	withUser, err := url.Parse(up.URL("secret"))
	require.NoError(t, err)
	withUser.User = url.UserPassword("me", "canary p")
	artifact := s.Do(t, "POST", "artifacts/", pulptest.Form{"file": []byte("artifact")})
	require.Equal(t, 201, artifact.Code, "%s", artifact.Body)
	for body, source := range map[string]pulptest.Form{
		"file":     {"file": []byte("file")},
		"chunks":   {"upload": s.upload(t, "chunks", 3)},
		"url":      {"file_url": withUser.String(), "downloader_config": `{"max_retries": 0}`},
		"artifact": {"artifact": artifact.Object(t).Href()},
	} {
		t.Run(body, func(t *testing.T) {
			repo := s.repository(t)
			source["relative_path"], source["repository"], source["pulp_labels"] = "dir/"+body, repo.Href(), `{"color": "red"}`
			task := s.sent(t, fileContent, source)
			made := task.Texts("created_resources")
			require.Len(t, made, 2)
			require.Contains(t, made, repo.Href()+"versions/1/")
			units := s.List(t, fileContent, pulptest.Param("repository_version", s.latest(t, repo)))
			require.Len(t, units, 1)
			require.Contains(t, made, units[0].Href())
			require.Equal(t, digest(body), units[0].Text("sha256"))
			require.Equal(t, "dir/"+body, units[0].Text("relative_path"))
			require.Equal(t, "red", units[0].Object("pulp_labels").Text("color"))
		})
	}
	user, password, _ := up.Requests()[0].BasicAuth()
	require.Equal(t, "me canary p", user+" "+password)
	require.NotContains(t, s.Log.String(), "canary")
	require.Empty(t, s.List(t, "uploads/"), "the upload is used up")
	require.Empty(t, s.Temps(t))
}

func TestUnitThatIsThereIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	first := s.unit(t, "a", "a")
	require.Equal(t, first, s.unit(t, "a", "a"))
	task := s.sent(t, fileContent, pulptest.Form{"relative_path": "a", "file": []byte("a"), "repository": repo.Href()})
	require.ElementsMatch(t, []string{first, repo.Href() + "versions/1/"}, task.Texts("created_resources"))
	task = s.sent(t, fileContent, pulptest.Form{"relative_path": "a", "file": []byte("a"), "repository": repo.Href()})
	require.Equal(t, []string{first}, task.Texts("created_resources"), "the repository did not change")
	require.NotEqual(t, first, s.unit(t, "b", "a"))
	require.Len(t, s.List(t, "artifacts/"), 1)
}

func TestCreateReplacesInItsRepositoryUnlessItMustNot(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	form := func(body string, overwrite bool) pulptest.Form {
		return pulptest.Form{"relative_path": "a", "file": []byte(body), "repository": repo.Href(), "overwrite": overwrite}
	}
	s.sent(t, fileContent, form("1", false))
	s.sent(t, fileContent, form("2", true))
	require.Equal(t, "PLP0023", s.Failed(t, s.Start(t, "POST", fileContent, form("3", false))).Text("error_code"))
	units := s.List(t, fileContent, pulptest.Param("repository_version", s.latest(t, repo)))
	require.Len(t, units, 1)
	require.Equal(t, digest("2"), units[0].Text("sha256"))
}

func TestCreateRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	nowhere := "/pulp/api/v3/%s/01234567-89ab-7def-8123-456789abcdef/"
	for field, form := range map[string]pulptest.Form{
		"non_field_errors": {"relative_path": "a"},
		"relative_path":    {"file": []byte("a")},
		"artifact":         {"relative_path": "a", "artifact": fmt.Sprintf(nowhere, "artifacts")},
		"upload":           {"relative_path": "a", "upload": fmt.Sprintf(nowhere, "uploads")},
		"repository":       {"relative_path": "a", "file": []byte("a"), "repository": fmt.Sprintf(nowhere, "repositories/file/file")},
		"file_url":         {"relative_path": "a", "file_url": "ftp://x/y"},
		"color":            {"relative_path": "a", "file": []byte("a"), "color": "red"},
	} {
		a := s.Refused(t, 400, "POST", fileContent, form)
		require.Contains(t, a.Object(t), field, "%s", a.Body)
	}
	for _, path := range []string{"/a", "a/", "a//b", "../a", "a b", "a?b", "a#b", "."} {
		for _, at := range []string{fileContent, fileContent + "upload/"} {
			a := s.Refused(t, 400, "POST", at, pulptest.Form{"relative_path": path, "file": []byte("a")})
			require.Contains(t, a.Object(t), "relative_path", path)
		}
	}
	s.Refused(t, 400, "POST", fileContent, pulptest.Form{"relative_path": "a", "file": []byte("a"), "file_url": "http://x/"})
	require.Empty(t, s.List(t, fileContent))
	require.Empty(t, s.Temps(t))
}

func TestDownloadOfANewUnitMayFail(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	repo := s.repository(t)
	err := s.Failed(t, s.Start(t, "POST", fileContent, pulptest.Form{"relative_path": "a", "file_url": up.URL("missing"), "repository": repo.Href()}))
	require.Equal(t, "PLP0025", err.Text("error_code"))
	s.nothingCameOf(t, repo)
}

func TestArtifactsAreMadeOnceAndKeptWhileTheyAreUsed(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	post := func(form pulptest.Form) *pulptest.Answer { return s.Do(t, "POST", "artifacts/", form) }
	made := post(pulptest.Form{"file": []byte("hello"), "size": 5, "sha256": digest("hello")})
	require.Equal(t, 201, made.Code, "%s", made.Body)
	artifact := made.Object(t)
	require.Equal(t, "artifact/"+digest("hello")[:2]+"/"+digest("hello")[2:], artifact.Text("file"))
	require.Nil(t, artifact["md5"])
	again := post(pulptest.Form{"file": []byte("hello")})
	require.Equal(t, 400, again.Code)
	require.JSONEq(t, `{"non_field_errors": ["Artifact with sha256 checksum of '`+digest("hello")+`' already exists."]}`, string(again.Body))
	for field, form := range map[string]pulptest.Form{
		"size": {"file": []byte("x"), "size": 2}, "sha256": {"file": []byte("x"), "sha256": digest("y")}, "md5": {"file": []byte("x"), "md5": "x"}, "file": {"size": 1},
	} {
		a := post(form)
		require.Equal(t, 400, a.Code)
		require.Contains(t, a.Object(t), field)
	}
	require.Equal(t, 201, post(pulptest.Form{"file": []byte{}}).Code, "empty files are files")
	s.sent(t, fileContent, pulptest.Form{"relative_path": "a", "artifact": artifact.Href()})
	s.Refused(t, 409, "DELETE", artifact.Href(), nil)
	require.Len(t, s.List(t, "artifacts/", pulptest.Param("sha256", digest("hello"))), 1)
	other := post(pulptest.Form{"file": []byte("unused")}).Object(t)
	s.Refused(t, 204, "DELETE", other.Href(), nil)
	s.Refused(t, 404, "GET", other.Href(), nil)
	require.Equal(t, 201, post(pulptest.Form{"file": []byte("unused")}).Code, "and may come again")
	require.Empty(t, s.Temps(t))
}

func TestUploadsTakeChunksInAnyOrder(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	body := strings.Repeat("0123456789", 100)
	href := s.upload(t, body, 7)
	chunks, _ := s.Get(t, href)["chunks"].([]any)
	require.Len(t, chunks, 7)
	put := func(code int, header, chunk, sum string) {
		t.Helper()
		form := pulptest.Form{"file": []byte(chunk)}
		if sum != "" {
			form["sha256"] = sum
		}
		a := s.Do(t, "PUT", href, form, "Content-Range", header)
		require.Equal(t, code, a.Code, "%s: %s", header, a.Body)
	}
	for _, header := range []string{"", "bytes", "bytes 0-4", "bytes 0-3/1000", "bytes 5-1/1000", "bytes 996-1000/1000", "bytes a-b/c", "bytes 0-99999999999999999999/1000"} {
		put(400, header, "01234", "")
	}
	put(400, "bytes 0-4/1000", "01234", digest("x"))
	require.Equal(t, "PLP0003", s.Failed(t, s.Start(t, "POST", href+"commit/", object{"sha256": digest("x")})).Text("error_code"))
	s.Get(t, href) // a commit that failed may be done again
	put(200, "bytes 0-142/1000", body[:143], "")
	task := s.Completes(t, href+"commit/", object{"sha256": strings.ToUpper(digest(body))})
	require.Len(t, task.Texts("created_resources"), 1)
	artifact := s.Get(t, task.Texts("created_resources")[0])
	require.Equal(t, digest(body), artifact.Text("sha256"))
	s.Refused(t, 404, "GET", href, nil)
	s.Refused(t, 400, "POST", "uploads/", object{"size": -1})
	s.Refused(t, 400, "POST", "uploads/", object{})
	require.Empty(t, s.Temps(t))
}

func TestUploadWithAGapCannotBeUsed(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	href := s.Create(t, "uploads/", object{"size": 10}).Href()
	for _, c := range []struct{ header, chunk string }{{"bytes 0-1/10", "ab"}, {"bytes 5-9/10", "fghij"}} {
		require.Equal(t, 200, s.Do(t, "PUT", href, pulptest.Form{"file": []byte(c.chunk)}, "Content-Range", c.header).Code)
	}
	require.Contains(t, s.Fails(t, href+"commit/", object{"sha256": digest("abfghij")}), "no data")
	require.NotEmpty(t, s.Fails(t, fileContent, pulptest.Form{"relative_path": "a", "upload": href}))
	require.Empty(t, s.List(t, "artifacts/"))
	s.Refused(t, 204, "DELETE", href, nil)
}

func TestSameBytesUploadedByManyAreOneArtifact(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	const clients = 50
	answers := make(chan *pulptest.Answer, 2*clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			form := pulptest.Form{"relative_path": fmt.Sprintf("p%d", i%5), "file": []byte("same")}
			if a, err := s.Try("POST", fileContent+"upload/", form); err == nil {
				answers <- a
			}
			form["repository"] = repo.Href()
			if a, err := s.Try("POST", fileContent, form); err == nil {
				answers <- a
			}
		})
	}
	all.Wait()
	close(answers)
	require.Len(t, answers, 2*clients)
	for a := range answers {
		require.Less(t, a.Code, 300, "%s", a.Body)
		if a.Code == 202 {
			task := s.Wait(t, a.Object(t).Text("task"))
			require.Equal(t, "completed", task.Text("state"), "%v", task["error"])
		}
	}
	require.Len(t, s.List(t, "artifacts/"), 1)
	require.Len(t, s.List(t, fileContent), 5)
	require.Len(t, s.paths(t, s.latest(t, repo)), 5)
	require.Empty(t, s.Temps(t))
	s.blobsAreTrue(t)
}
