package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gopulp/pulp/httpapi"
	"github.com/stretchr/testify/require"
)

func TestTextThatIsNotUTF8IsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for kind, body := range map[string]string{
		"application/json":                  "{\"a\": \"caf\xe9\"}",
		"application/x-www-form-urlencoded": "a=caf%E9",
		"multipart/form-data; boundary=x":   "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncaf\xe9\r\n--x--",
		"multipart/form-data":               "--x--",
		"application/json; charset":         "{}",
	} {
		w := s.do("POST", "/pulp/api/v3/books/shop/", body, "Content-Type", kind)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusUnsupportedMediaType}, w.Code, "%s: %s", kind, w.Body)
	}
}

func FuzzJSONBodiesAreObjectsOrRefused(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"a":[]}`, `[]`, `null`, `"x"`, `1`, `{"a":"\ud800"}`, "{\"\xff\":1}", ` {"a":{}} `, `{}{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, err := httpapi.ParseJSON(data)
		if err != nil {
			code, _ := httpapi.Fault(err)
			require.Equal(t, http.StatusBadRequest, code)
			return
		}
		require.True(t, json.Valid(data))
		for _, v := range fields {
			require.True(t, json.Valid(v))
		}
	})
}

func FuzzFormsBecomeJSON(f *testing.F) {
	for _, seed := range []string{"", "a=b", "a=b&a=c", "a=%zz", "a=%ff", "a;b", "=x", "a=%00&b=%22"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		fields, err := httpapi.ParseForm(data)
		if err != nil {
			code, _ := httpapi.Fault(err)
			require.Equal(t, http.StatusBadRequest, code)
			return
		}
		for name, v := range fields {
			require.True(t, utf8.ValidString(name))
			require.True(t, json.Valid(v), "%s", v)
		}
	})
}

func FuzzMultipartBodiesNeverBreakTheServer(f *testing.F) {
	f.Add("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--")
	f.Add("--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\nb")
	f.Add("--x\r\n\r\n--x--")
	s := newSite(f)
	f.Fuzz(func(t *testing.T, body string) {
		w := s.do("POST", "/pulp/api/v3/books/shop/", body, "Content-Type", "multipart/form-data; boundary=x")
		require.Less(t, w.Code, http.StatusInternalServerError, "%s", w.Body)
	})
}

func FuzzReferencesLeadBackToTheirNames(f *testing.F) {
	for _, seed := range []string{"a", "a b/", "javascript:x", "//evil", `"><b>`, "%2f", "?#", "..", "\xff"} {
		f.Add(seed)
	}
	base := &url.URL{Scheme: "http", Host: "pulp.example", Path: "/pulp/content/shelf/"}
	f.Fuzz(func(t *testing.T, name string) {
		bare := strings.TrimSuffix(name, "/")
		if !httpapi.PlainPath(bare) || bare == "" || strings.Contains(bare, "/") {
			return // no name of an entry
		}
		ref := httpapi.Reference(name)
		u, err := base.Parse(ref)
		require.NoError(t, err)
		require.Equal(t, "pulp.example", u.Host)
		require.Equal(t, base.Path+name, u.Path)
	})
}
