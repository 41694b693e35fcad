package pulp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/stretchr/testify/require"
)

// flatRepository is what an answer says of a repository, as a struct for encoding/json.
type flatRepository struct {
	Href        string             `json:"pulp_href"`
	PRN         string             `json:"prn"`
	Created     string             `json:"pulp_created"`
	Updated     string             `json:"pulp_last_updated"`
	Name        string             `json:"name"`
	Labels      map[string]*string `json:"pulp_labels"`
	Description *string            `json:"description"`
	Retain      *int64             `json:"retain_repo_versions"`
	Remote      *string            `json:"remote"`
	Versions    string             `json:"versions_href"`
	Latest      string             `json:"latest_version_href"`
}

func page(n int) ([]*pulp.Repository[pulp.None], []flatRepository) {
	text, value := "A description of moderate length.", "prod"
	var ms []*pulp.Repository[pulp.None]
	var flat []flatRepository
	for i := range n {
		m := &pulp.Repository[pulp.None]{}
		m.ID, m.PulpID, m.Name, m.Created, m.Updated = int64(i+1), pulp.NewID(), fmt.Sprintf("repository-%d", i), 1_700_000_000_123_456, 1_700_000_000_123_456
		m.Labels, m.Description = pulp.Labels{"env": &value}, &text
		ms = append(ms, m)
		href := shopAPI + "repositories/file/file/" + m.PulpID.String() + "/"
		flat = append(flat, flatRepository{href, "prn:file.filerepository:" + m.PulpID.String(), m.Created.String(), m.Updated.String(), m.Name, m.Labels, &text, nil, nil, href + "versions/", href + "versions/0/"})
	}
	return ms, flat
}

// BenchmarkEncode writes a page of 100 repositories, with the plan and as flat structs.
func BenchmarkEncode(b *testing.B) {
	s := openShop(b, file.Plugin())
	var typ int64
	require.NoError(b, s.DB().Reader().DB.QueryRow("SELECT id FROM type WHERE kind = 'repository' AND name = 'file.file'").Scan(&typ))
	ms, flat := page(100)
	for _, m := range ms {
		m.PulpType = typ
	}
	b.Run("plan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := s.EncodePage(s.With(b.Context()), ms)
			require.NoError(b, err)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := json.Marshal(flat)
			require.NoError(b, err)
		}
	})
}

// BenchmarkREST asks through the HTTP handler, with a login that is remembered.
func BenchmarkREST(b *testing.B) {
	s := openShop(b, file.Plugin())
	remote := s.make(b, "remotes/file/file/", `{"name":"r","url":"http://example.org/M"}`)
	var href string
	for i := range 1000 {
		href = s.make(b, "repositories/file/file/", fmt.Sprintf(`{"name":"repository-%d","remote":"%s","pulp_labels":{"env":"prod"}}`, i, remote))
	}
	ask := func(b *testing.B, method, path, body string, want int) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		require.Equal(b, want, w.Code)
	}
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(b, "GET", href, "", http.StatusOK)
		}
	})
	b.Run("list30", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(b, "GET", shopAPI+"repositories/file/file/?limit=30", "", http.StatusOK)
		}
	})
	b.Run("filter-name", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(b, "GET", shopAPI+"repositories/file/file/?name=repository-500&limit=1&offset=0", "", http.StatusOK)
		}
	})
	n := 0
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n++
			ask(b, "POST", shopAPI+"repositories/file/file/", fmt.Sprintf(`{"name":"new-%d"}`, n), http.StatusCreated)
		}
	})
}
