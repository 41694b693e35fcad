package pulp_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/plugins/file"
)

// What the fuzzer of the API (examples/fileserver) found, each as small as it gets.

func TestParametersOfAnyLengthAreAnsweredOrRefused(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	s.make(t, "roles/", `{"name":"both","permissions":["file.view_fileremote","file.view_filerepository"]}`)
	many := strings.Repeat("file.view_fileremote,", 3000) + "file.view_filerepository"
	for path, want := range map[string][]string{
		"roles/?locked=false&contains_permission=" + many:                     {"both"},
		"roles/?locked=false&contains_permission=" + many + ",core.add_task":  {},
		"roles/?locked=false&ordering=" + strings.Repeat("name,-name,", 3000): {"both"},
	} {
		require.Equal(t, want, s.names(t, path, "name"))
	}
	r := s.ask(t, "GET", "repositories/file/file/?pulp_label_select="+strings.Repeat("env=a,", 3000)+"x", "")
	require.Equal(t, reply{400, `{"pulp_label_select":["More than 100 terms."]}`}, r)
}

func TestVersionIsNamedByItsNumberOnly(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	versions := s.make(t, "repositories/file/file/", `{"name":"r"}`) + "versions/"
	require.Equal(t, http.StatusOK, s.ask(t, "GET", versions+"0/", "").code)
	for _, number := range []string{"00", "+0", "0.0", "0e0", "-1", "0%00", "%00", "x", "9223372036854775808", "0%20"} {
		require.Equal(t, http.StatusNotFound, s.ask(t, "GET", versions+number+"/", "").code, number)
		require.Equal(t, http.StatusNotFound, s.ask(t, "POST", versions+number+"/repair/", `{}`).code, number)
	}
}

func TestOldNameOfCreationHooksIsReadAlsoBesideTheNewOne(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	policy := s.ask(t, "GET", "access_policies/?limit=1", "").object(t)["results"].([]any)[0].(map[string]any)["pulp_href"].(string)
	for _, wrong := range []string{"[[]]", "[null]", "null", "{}"} {
		r := s.ask(t, "PATCH", policy, `{"creation_hooks":[],"permissions_assignment":`+wrong+`}`)
		require.Equal(t, reply{400, `{"permissions_assignment":["Expected a list of objects."]}`}, r)
	}
}

// TestAnswersAreOfOneMoment deletes a repository between the query for the versions of an answer and
// that for their hrefs.
func TestAnswersAreOfOneMoment(t *testing.T) {
	t.Parallel()
	var s *shop
	var left atomic.Int32
	s, _ = openWatched(t, t.TempDir(), func(query string) {
		if strings.Contains(query, "repository_version") && left.Add(-1) == 0 {
			_, err := s.DB().Writer().DB.Exec("DELETE FROM repository WHERE name = 'b'")
			require.NoError(t, err)
		}
	})
	a, b := s.make(t, "repositories/file/file/", `{"name":"a"}`), s.make(t, "repositories/file/file/", `{"name":"b"}`)
	left.Store(3) // after the count, or the versions
	require.ElementsMatch(t, []string{a + "versions/0/", b + "versions/0/"}, s.names(t, "repository_versions/", "pulp_href"))
	require.LessOrEqual(t, left.Load(), int32(0))
	require.Equal(t, []string{a + "versions/0/"}, s.names(t, "repository_versions/", "pulp_href"))
	b = s.make(t, "repositories/file/file/", `{"name":"b"}`)
	left.Store(2)
	require.Equal(t, http.StatusOK, s.ask(t, "GET", b+"versions/0/", "").code)
	require.LessOrEqual(t, left.Load(), int32(0))
	require.Equal(t, http.StatusNotFound, s.ask(t, "GET", b+"versions/0/", "").code)
}
