package httpapi_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/internal/schema"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type object = map[string]any

func describe(t *testing.T, ops []pulp.Operation, pkPath bool) object {
	t.Helper()
	data, err := httpapi.Describe(newSite(t).app, ops, pkPath)
	require.NoError(t, err)
	var doc object
	require.NoError(t, json.Unmarshal(data, &doc))
	return doc
}

func TestDocumentIsAsRecorded(t *testing.T) {
	t.Parallel()
	for file, pkPath := range map[string]bool{"testdata/openapi.json": false, "testdata/openapi_pk_path.json": true} {
		doc := describe(t, bookOperations(), pkPath)
		doc["info"].(object)["x-pulp-app-versions"] = object{} // they change with every release
		got, err := json.MarshalIndent(doc, "", "  ")
		require.NoError(t, err)
		if *update {
			require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
			continue
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got)+"\n")
	}
}

// TestDocumentKeepsTheRules checks what OpenAPI demands, in the variant whose paths are
// ordinary, and what Pulp's clients demand of both.
func TestDocumentKeepsTheRules(t *testing.T) {
	t.Parallel()
	for _, pkPath := range []bool{false, true} {
		doc := describe(t, bookOperations(), pkPath)
		requireKeys(t, doc, "openapi info paths components")
		require.Regexp(t, `^3\.`, doc["openapi"])
		require.NotEmpty(t, doc["info"].(object)["x-pulp-app-versions"].(object)["core"])
		ids := map[string]bool{}
		for path, item := range doc["paths"].(object) {
			if pkPath {
				require.Regexp(t, "^/", path)
			}
			for method, op := range item.(object) {
				require.Contains(t, "get post put patch delete", method)
				id := op.(object)["operationId"].(string)
				require.False(t, ids[id], "%s is there twice", id)
				ids[id] = true
				checkOperation(t, path, op.(object), pkPath)
			}
		}
		require.Len(t, ids, len(bookOperations())+1)
		checkRefs(t, doc, doc)
	}
}

func requireKeys(t *testing.T, o object, allowed string) {
	t.Helper()
	for key := range o {
		require.Contains(t, strings.Fields(allowed), key)
	}
}

func checkOperation(t *testing.T, path string, op object, pkPath bool) {
	t.Helper()
	requireKeys(t, op, "operationId summary tags parameters requestBody responses security")
	declared, seen := []string{}, map[string]bool{}
	for _, p := range op["parameters"].([]any) {
		p := p.(object)
		requireKeys(t, p, "name in description required style explode schema")
		require.False(t, seen[fmt.Sprint(p["in"], p["name"])])
		seen[fmt.Sprint(p["in"], p["name"])] = true
		require.IsType(t, object{}, p["schema"])
		if p["in"] == "path" {
			require.Equal(t, true, p["required"])
			declared = append(declared, "{"+p["name"].(string)+"}")
		}
	}
	require.ElementsMatch(t, regexp.MustCompile(`\{[^}]*\}`).FindAllString(path, -1), declared)
	if !pkPath {
		require.LessOrEqual(t, len(declared), 1)
	}
	require.NotEmpty(t, op["responses"])
	for code, res := range op["responses"].(object) {
		require.Regexp(t, "^[0-9]{3}$", code)
		requireKeys(t, res.(object), "description content")
		require.NotEmpty(t, res.(object)["description"])
		checkContent(t, res.(object)["content"], "application/json")
	}
	if b, ok := op["requestBody"].(object); ok {
		requireKeys(t, b, "content required")
		checkContent(t, b["content"], "application/json application/x-www-form-urlencoded multipart/form-data")
	}
}

func checkContent(t *testing.T, content any, kinds string) {
	t.Helper()
	if content == nil {
		return
	}
	requireKeys(t, content.(object), kinds)
	for _, m := range content.(object) {
		requireKeys(t, m.(object), "schema")
		require.IsType(t, object{}, m.(object)["schema"])
	}
}

// checkRefs follows each reference and checks that nothing stands beside it.
func checkRefs(t *testing.T, doc object, in any) {
	t.Helper()
	switch v := in.(type) {
	case []any:
		for _, e := range v {
			checkRefs(t, doc, e)
		}
	case object:
		if ref, ok := v["$ref"].(string); ok {
			require.Len(t, v, 1)
			name, ok := strings.CutPrefix(ref, "#/components/schemas/")
			require.True(t, ok)
			require.Contains(t, doc["components"].(object)["schemas"], name)
		}
		for _, e := range v {
			checkRefs(t, doc, e)
		}
	}
}

func TestRequestsAndAnswersHaveSchemasOfTheirOwn(t *testing.T) {
	t.Parallel()
	all := describe(t, bookOperations(), false)["components"].(object)["schemas"].(object)
	properties := func(name string) object { return all[name].(object)["properties"].(object) }
	require.NotContains(t, properties("shop.Book"), "pulp_href")
	require.Contains(t, properties("shop.Book"), "scan")
	require.Contains(t, properties("shop.BookResponse"), "pulp_href")
	require.NotContains(t, properties("shop.BookResponse"), "scan")
	require.NotContains(t, all["Patchedshop.Book"], "required")
	require.NotContains(t, properties("Patchedshop.Book")["binding"], "default")
	require.Contains(t, all, "Paginatedshop.BookResponseList")
	require.Contains(t, all, "AsyncOperationResponse")
}

func TestDeclarationsThatContradictEachOtherAreReported(t *testing.T) {
	t.Parallel()
	app := newSite(t).app
	ops := bookOperations()
	_, err := httpapi.Describe(app, append(ops, ops[0]), false)
	require.ErrorContains(t, err, "books_shop_list")

	other := book()
	other.Fields = other.Fields[:1]
	ops[0].Answer = other
	_, err = httpapi.Describe(app, ops, false)
	require.ErrorContains(t, err, "shop.BookResponse")
}

func TestObjectsThatContainThemselvesAreDescribed(t *testing.T) {
	t.Parallel()
	tree := &schema.Object{Name: "Tree"}
	tree.Fields = []schema.Field{{Name: "branches", Value: schema.Value{Type: schema.Array, Items: &schema.Value{Object: tree}}}}
	doc := describe(t, []pulp.Operation{{ID: "tree", Method: "GET", Path: "tree/", Answer: tree, Codes: []pulp.AnswerKind{200}}}, true)
	checkRefs(t, doc, doc)
}

func TestDocumentIsReadWithoutLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ask := func(path string, header ...string) *httptest.ResponseRecorder {
		return s.do("GET", "/pulp/api/v3/docs/"+path, "", append(header, "Authorization", "")...)
	}
	plain := ask("api.json")
	require.Equal(t, http.StatusOK, plain.Code)
	require.Equal(t, "application/json", plain.Header().Get("Content-Type"))
	require.True(t, json.Valid(plain.Body.Bytes()))

	zipped := ask("api.json", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", zipped.Header().Get("Content-Encoding"))
	z, err := gzip.NewReader(zipped.Body)
	require.NoError(t, err)
	unzipped, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, plain.Body.String(), string(unzipped))
	require.NotEqual(t, plain.Header().Get("ETag"), zipped.Header().Get("ETag"))
	for taken, want := range map[string]string{"br, GZIP;q=0.5": "gzip", "gzip;q=0, br": "", "gzip;q=0.0": "", "gzip;q=x": "", "xgzip": "", "identity": ""} {
		require.Equal(t, want, ask("api.json", "Accept-Encoding", taken).Header().Get("Content-Encoding"), taken)
	}

	require.Equal(t, http.StatusNotModified, ask("api.json", "If-None-Match", plain.Header().Get("ETag")).Code)
	inYAML := ask("api.yaml")
	require.Equal(t, "application/yaml", inYAML.Header().Get("Content-Type"))
	require.True(t, strings.HasPrefix(inYAML.Body.String(), "openapi: 3.1.1\ninfo:\n"), "as people write YAML")
	var same any
	require.NoError(t, yaml.Unmarshal(inYAML.Body.Bytes(), &same))
	again, err := json.Marshal(same)
	require.NoError(t, err)
	require.JSONEq(t, plain.Body.String(), string(again))
	require.NotContains(t, ask("api.json?pk_path=1").Body.String(), "{shop_book_href}")
	require.NotContains(t, ask("api.json?component=other").Body.String(), "books_shop_list")
	require.Contains(t, ask("api.json?component=other,core").Body.String(), "books_shop_list")
	require.Equal(t, plain.Body.String(), ask("api.json?include_html=1").Body.String(), "there is no markup")
}

func TestGeneratorsGetShortIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ id, path, want string }{
		{"repositories_acme_acme_versions_repair", "repositories/acme/acme/{pk}/versions/{number}/repair/", "repair"},
		{"repositories_acme_acme_partial_update", "repositories/acme/acme/{pk}/", "partial_update"},
		{"task_groups_list", "task-groups/", "list"},
		{"orphans_cleanup_cleanup", "orphans/cleanup/", "cleanup"},
		{"tasks_purge", "tasks/purge/", "purge"},
		{"login", "login/", "login"},
	} {
		op := pulp.Operation{ID: c.id, Path: c.path, Method: "POST", Codes: []pulp.AnswerKind{pulp.NoContent}}
		s := newSite(t)
		s.Handler = httpapi.HandlerOf(s.app, []pulp.Operation{op}, nil)
		var doc struct {
			Paths map[string]map[string]struct {
				ID string `json:"operationId"`
			}
		}
		w := s.do("GET", "/pulp/api/v3/docs/api.json?bindings&pk_path=1", "")
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
		require.Equal(t, c.want, doc.Paths["/pulp/api/v3/"+c.path]["post"].ID)
	}
}
