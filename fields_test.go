package pulp_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/stretchr/testify/require"
)

func TestWrongValueIsRefusedWithTheFieldsName(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	const required, blank, null = "This field is required.", "This field may not be blank.", "This field may not be null."
	const noInteger, noString = "A valid integer is required.", "Not a valid string."
	remote := s.make(t, "remotes/file/file/", `{"name":"r","url":"http://example.org/PULP_MANIFEST"}`)
	repository := s.make(t, "repositories/file/file/", `{"name":"r"}`)
	for _, c := range []struct{ field, value, sentence string }{
		{"name", `null`, null}, {"name", `""`, blank}, {"name", `"  "`, blank}, {"name", `{}`, noString}, {"name", `true`, noString},
		{"name", `"a\u0000b"`, "Null characters are not allowed."},
		{"state", `"lost"`, `"lost" is not a valid choice.`}, {"state", `""`, `"" is not a valid choice.`},
		{"state", `"sent"`, "Nothing is sent before it is ordered."},
		{"note", `"x"`, "Ensure this field has at least 2 characters."}, {"note", `"` + strings.Repeat("é", 21) + `"`, "Ensure this field has no more than 20 characters."},
		{"amount", `0`, "Ensure this value is greater than or equal to 1."}, {"amount", `1001`, "Ensure this value is less than or equal to 1000."},
		{"amount", `1.5`, noInteger}, {"amount", `"many"`, noInteger}, {"amount", `1e3`, noInteger}, {"amount", `[]`, noInteger}, {"amount", `null`, null},
		{"amount", strings.Repeat("9", 400), "Ensure this value is less than or equal to 9223372036854775807."},
		{"amount", "-" + strings.Repeat("9", 400), "Ensure this value is greater than or equal to -9223372036854775808."},
		{"amount", strings.Repeat("9", 4000), noInteger},
		{"small", `256`, "Ensure this value is less than or equal to 255."}, {"small", `-1`, "Ensure this value is greater than or equal to 0."},
		{"price", `"cheap"`, "A valid number is required."}, {"price", `1e999`, "A valid number is required."}, {"price", `"NaN"`, "A valid number is required."}, {"price", `"0x10"`, "A valid number is required."},
		{"gift", `"perhaps"`, "Must be a valid boolean."}, {"gift", `{}`, "Must be a valid boolean."}, {"gift", `2`, "Must be a valid boolean."},
		{"link", `"nowhere"`, "Enter a valid URL."},
		{"tags", `{"a":1}`, `Expected a list of items but got type "dict".`}, {"tags", `"x"`, `Expected a list of items but got type "str".`},
		{"tags", `["a","0123456789"]`, "Ensure this field has no more than 9 characters."},
		{"tags", `[1]`, "Expected a list of items of the right type."}, {"tags", `["a","b","c","d"]`, "Ensure this field has no more than 3 elements."}, {"tags", `null`, null}, {"tags", `["a",null]`, "Its items may not be null."}, {"tags", `"null"`, null},
		{"extra", `[]`, `Expected a dictionary of items but got type "list".`}, {"extra", `{"a":"b"}`, "Expected a dictionary of items of the right type."},
		{"address", `7`, `Expected a dictionary of items but got type "int".`},
		{"address", strings.Repeat(`{"street":`, 5000) + `1` + strings.Repeat(`}`, 5000), "Expected a dictionary of items of the right type."},
		{"blob", `"%%%"`, "Must be base64 text."}, {"due", `"tomorrow"`, "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."},
		{"paid", `"2026-02-30"`, "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."},
		{"trace", `"x"`, "Not a valid value."}, {"trace", `"zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"`, "Must be a valid UUID."},
		{"pulp_labels", `{"a(b)":"x"}`, "Invalid label name 'a(b)'. Label names may only contain word characters, dashes, spaces and periods."},
		{"pulp_labels", `{"a":"(x)"}`, "Invalid label value. Label values may not contain parentheses."},
		{"buyer", `5`, "Incorrect type. Expected URL string."}, {"buyer", `"nonsense"`, "Invalid hyperlink - No URL match."},
		{"buyer", `"` + shopAPI + `shop/buyers/99/"`, "Invalid hyperlink - Object does not exist."}, {"buyer", `"` + remote + `"`, "Invalid hyperlink - Incorrect URL match."},
		{"remote", `"` + repository + `"`, "Invalid hyperlink - Incorrect URL match."}, {"remote", `"prn:file.fileremote:` + pulp.NewID().String() + `"`, "Invalid hyperlink - Object does not exist."},
		{"remote", `"` + strings.Replace(remote, "/file/file/", "/file/git/", 1) + `"`, "Invalid hyperlink - No URL match."},
		{"total", `1`, "Unexpected field"}, {"prn", `"x"`, "Unexpected field"}, {"nonsense", `1`, "Unexpected field"}, {"refers", `"x"`, "Unexpected field"},
	} {
		name := `"name":"x",`
		if c.field == "name" {
			name = ""
		}
		r := s.ask(t, "POST", "shop/orders/", fmt.Sprintf(`{%s"%s":%s}`, name, c.field, c.value))
		require.Equal(t, http.StatusBadRequest, r.code, "%s %.50s: %s", c.field, c.value, r.body)
		require.Equal(t, map[string]any{c.field: []any{c.sentence}}, r.object(t), "%s %.50s", c.field, c.value)
	}
	require.JSONEq(t, `{"name":["`+required+`"],"amount":["`+noInteger+`"]}`, s.ask(t, "POST", "shop/orders/", `{"amount":"x","nonsense":1}`).body)
	require.Zero(t, s.rows(t, "SELECT count(*) FROM shop_order"))
}

func TestRightValueIsKeptAsItIs(t *testing.T) {
	t.Parallel()
	s := openShop(t, file.Plugin())
	remote := s.make(t, "remotes/file/file/", `{"name":"r","url":"http://example.org/PULP_MANIFEST"}`)
	prn := s.ask(t, "GET", remote, "").field(t, "prn")
	href := s.make(t, "shop/orders/", `{"name":"x"}`)
	for _, c := range []struct{ field, value, want string }{
		{"name", `"  trimmed\t"`, `"trimmed"`}, {"name", `17`, `"17"`}, {"name", `"naïve ☃ <&>"`, `"naïve ☃ <&>"`}, {"raw", `"  kept "`, `"  kept "`}, {"raw", `""`, `""`},
		{"note", `null`, `null`}, {"note", `"ok"`, `"ok"`}, {"amount", `"12"`, `12`}, {"amount", `3.0`, `3`}, {"small", `255`, `255`},
		{"price", `"1.5"`, `1.5`}, {"price", `null`, `null`}, {"gift", `"yes"`, `true`}, {"gift", `0`, `false`}, {"link", `"http://a/?b=c"`, `"http://a/?b=c"`},
		{"tags", `["a","b"]`, `["a","b"]`}, {"tags", `"[\"a\"]"`, `["a"]`}, {"tags", `[]`, `[]`}, {"extra", `{"a":1}`, `{"a":1}`}, {"address", `{"street":"s","number":3}`, `{"street":"s","number":3}`},
		{"anything", `{"deep":[1,null,"x"]}`, `{"deep":[1,null,"x"]}`}, {"anything", `"text"`, `"text"`}, {"anything", `null`, `null`}, {"blob", `"aGVsbG8="`, `"aGVsbG8="`},
		{"due", `"2026-01-02T03:04:05.000006+01:00"`, `"2026-01-02T02:04:05.000006Z"`}, {"due", `"2026-01-02"`, `"2026-01-02T00:00:00Z"`}, {"due", `null`, `null`},
		{"paid", `"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05Z"`}, {"trace", `"0194B8E9-5425-799B-AD0A-86C71E160158"`, `"0194b8e9-5425-799b-ad0a-86c71e160158"`},
		{"remote", `"` + remote + `"`, `"` + remote + `"`}, {"remote", `""`, `null`}, {"remote", `"https://example.org` + remote + `"`, `"` + remote + `"`},
		{"remote", `null`, `null`}, {"remote", `"` + prn + `"`, `"` + remote + `"`}, {"pulp_labels", `{"a":null,"b.c d":""}`, `{"a":null,"b.c d":""}`},
	} {
		r := s.ask(t, "PATCH", href, fmt.Sprintf(`{"%s":%s}`, c.field, c.value))
		require.Equal(t, http.StatusOK, r.code, "%s %s: %s", c.field, c.value, r.body)
		require.JSONEq(t, c.want, s.member(t, href, c.field), "%s %s", c.field, c.value)
	}
}

func TestFormMeansTheSameAsJSON(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	form := url.Values{"name": {"x"}, "amount": {"5"}, "gift": {"true"}, "price": {"2.5"}, "tags": {`["a","b"]`}, "extra": {`{"a":1}`}, "pulp_labels": {`{"k":"v"}`}, "due": {"2026-01-02"}}
	r := s.send(t, "POST", "shop/orders/", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	require.Equal(t, http.StatusCreated, r.code, r.body)
	for field, want := range map[string]string{"amount": "5", "gift": "true", "price": "2.5", "tags": `["a","b"]`, "extra": `{"a":1}`, "pulp_labels": `{"k":"v"}`, "total": "12.5"} {
		require.JSONEq(t, want, s.member(t, r.field(t, "pulp_href"), field), field)
	}
}

func TestPatchKeepsWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	href := s.make(t, "shop/orders/", `{"name":"x","amount":5,"note":"hello","serial":"s1","pulp_labels":{"a":"b"}}`)
	before := s.ask(t, "GET", href, "")
	require.Equal(t, before, s.ask(t, "PATCH", href, `{}`), "nothing changes, not even the time")
	require.Equal(t, before, s.ask(t, "PATCH", href, `{"amount":5,"pulp_created":"2020-01-01","serial":"s1"}`))
	patched := s.ask(t, "PATCH", href, `{"pulp_labels":{"c":"d"}}`).object(t)
	require.Equal(t, map[string]any{"c": "d"}, patched["pulp_labels"], "a map is replaced whole")
	require.EqualValues(t, 5, patched["amount"])
	require.NotEqual(t, before.field(t, "pulp_last_updated"), patched["pulp_last_updated"])
}

func TestPutNeedsWhatIsRequiredAndResetsWhatHasADefault(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	href := s.make(t, "shop/orders/", `{"name":"x","amount":5,"note":"hello","serial":"s1"}`)
	require.JSONEq(t, `{"name":["This field is required."]}`, s.ask(t, "PUT", href, `{"amount":2}`).body)
	put := s.ask(t, "PUT", href, `{"name":"y"}`).object(t)
	require.EqualValues(t, 1, put["amount"], "the default")
	require.Equal(t, "hello", put["note"], "without a default it stays")
	require.Equal(t, "s1", put["serial"], "immutable")
	buyer := s.make(t, "shop/buyers/", `{"email":"a@b.c","city":"Rome"}`)
	require.Equal(t, "Rome", s.ask(t, "PUT", buyer, `{"email":"d@e.f"}`).field(t, "city"), "an immutable field is not reset to its default")
	for _, method := range []string{"PUT", "PATCH"} {
		require.JSONEq(t, `{"serial":["This field cannot be changed."]}`, s.ask(t, method, href, `{"name":"y","serial":"s2"}`).body)
	}
}

func TestUniqueFieldIsUnique(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	const taken = `{"name":["This field must be unique."]}`
	href := s.make(t, "shop/orders/", `{"name":"x","serial":"s1"}`)
	other := s.make(t, "shop/orders/", `{"name":"y"}`)
	s.make(t, "shop/orders/", `{"name":"z"}`) // two without a serial
	require.Equal(t, reply{http.StatusBadRequest, taken}, s.ask(t, "POST", "shop/orders/", `{"name":"x"}`))
	require.Equal(t, reply{http.StatusBadRequest, taken}, s.ask(t, "PATCH", other, `{"name":"x"}`))
	require.Equal(t, http.StatusOK, s.ask(t, "PATCH", href, `{"name":"x","amount":3}`).code)
	require.JSONEq(t, `{"serial":["This field must be unique."]}`, s.ask(t, "POST", "shop/orders/", `{"name":"w","serial":"s1"}`).body)
	s.make(t, "shop/buyers/", `{"email":"a@b.c","city":"Rome","street":"Via"}`)
	require.JSONEq(t, `{"non_field_errors":["The fields city, street must make a unique set."]}`,
		s.ask(t, "POST", "shop/buyers/", `{"email":"d@e.f","city":"Rome","street":"Via"}`).body)
	s.make(t, "shop/coupons/", `{"code":"c","percent":1}`)
	require.JSONEq(t, `{"code":["This field must be unique."]}`, s.ask(t, "POST", "shop/coupons/", `{"code":"c","percent":1}`).body)
}

func TestOfManyCreatesAtOnceOneWins(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	var wg sync.WaitGroup
	replies := make([]reply, 16)
	for i := range replies {
		wg.Go(func() { replies[i] = s.ask(t, "POST", "shop/orders/", `{"name":"x"}`) })
	}
	wg.Wait()
	won := 0
	for _, r := range replies {
		if r.code == http.StatusCreated {
			won++
			continue
		}
		require.Equal(t, reply{http.StatusBadRequest, `{"name":["This field must be unique."]}`}, r)
	}
	require.Equal(t, 1, won)
}

func TestSecretNeverLeaves(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry-in-the-mine"
	s := openShop(t, file.Plugin())
	set := func(href string) []any {
		return s.ask(t, "GET", href, "").object(t)["hidden_fields"].([]any)
	}
	token := func(is bool) []any { return []any{map[string]any{"name": "token", "is_set": is}} }
	answers := s.ask(t, "POST", "shop/orders/", `{"name":"x","token":"`+canary+`"}`).body
	href := s.make(t, "shop/orders/", `{"name":"y","token":"`+canary+`"}`)
	require.Equal(t, token(true), set(href))
	s.ask(t, "PATCH", href, `{"amount":2}`)
	require.Equal(t, token(true), set(href), "what is not named is kept")
	s.ask(t, "PATCH", href, `{"token":null}`)
	require.Equal(t, token(false), set(href))
	answers += s.ask(t, "POST", "shop/orders/", `{"name":"y","token":"`+canary+`"}`).body
	answers += s.ask(t, "POST", "shop/orders/", `{"name":"bad","amount":666,"token":"`+canary+`"}`).body
	answers += s.ask(t, "GET", "shop/orders/?token="+canary, "").body
	answers += fmt.Sprint(s.end(t, s.ask(t, "POST", "shop/late-orders/", `{"name":"late","token":"`+canary+`"}`)))
	answers += fmt.Sprint(s.end(t, s.ask(t, "POST", "shop/late-orders/", `{"name":"late2","amount":1,"token":"`+canary+`","trace":null}`)))

	remote := s.make(t, "remotes/file/file/", `{"name":"r","url":"http://example.org/M","username":"u","password":" `+canary+` "}`)
	answers += fmt.Sprint(s.end(t, s.ask(t, "PATCH", remote, `{"password":"new `+canary+`"}`)))
	answers += s.ask(t, "PATCH", remote, `{"password":"`+canary+`","policy":"wrong"}`).body
	for _, list := range []string{"shop/orders/", "remotes/", "remotes/file/file/", "tasks/"} {
		answers += s.ask(t, "GET", list, "").body
	}
	require.NotContains(t, strings.ReplaceAll(answers, "?token="+canary, ""), canary)
	require.NotContains(t, s.log.String(), canary)
	files, err := filepath.Glob(filepath.Join(s.dir, "pulp.*")) // also the log, in which all is before it is in the file
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2)
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		require.NotContains(t, string(data), canary, f)
	}
	var sealed pulp.Secret
	require.NoError(t, s.DB().Reader().DB.QueryRowContext(t.Context(), "SELECT token FROM shop_order WHERE name = 'x'").Scan(&sealed))
	plain, err := s.Reveal(sealed)
	require.NoError(t, err)
	require.Equal(t, canary, plain)
}

// member is a field of an object as JSON.
func (s *shop) member(t testing.TB, href, field string) string {
	t.Helper()
	return encoded(t, s.ask(t, "GET", href, "").object(t)[field])
}
