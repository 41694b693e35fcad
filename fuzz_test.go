package pulp_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/gopulp/pulp"
	"github.com/stretchr/testify/require"
)

// FuzzDecoderAnswersWithTheFieldsName gives every field of an order any value. It may be
// refused, under its own name, or kept; then it can be written as JSON.
func FuzzDecoderAnswersWithTheFieldsName(f *testing.F) {
	for _, seed := range []string{
		`null`, `true`, `1`, `-1.5e300`, `"text"`, `" \u0000 "`, `"\ud800"`, `[]`, `{}`, `[[[[[[1]]]]]]`, `{"a":{"b":null}}`, `"[1,2]"`, `"{\"a\":1}"`,
		`99999999999999999999999999`, `"2026-01-01T00:00:00Z"`, `"0000-00-00"`, `"9999-12-31T23:59:59.999999999+23:59"`, `"prn:file.fileremote:x"`, `"/pulp/api/v3/remotes/file/file/x/"`, `"http://[::1"`, "\"\xff\"", `"aGVsbG8="`,
	} {
		f.Add([]byte(seed))
	}
	s := openShop(f)
	fields := []string{"name", "pulp_labels", "state", "note", "raw", "token", "serial", "amount", "small", "price", "gift", "link", "tags", "extra", "address", "anything", "blob", "due", "paid", "trace", "buyer", "remote"}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !json.Valid(value) {
			return // the HTTP layer has refused it
		}
		for _, name := range fields {
			body := map[string]json.RawMessage{"name": json.RawMessage(`"x"`)}
			body[name] = value
			var o Order
			err := s.DecodeInto(s.With(t.Context()), body, &o)
			var wrong pulp.FieldErrors
			if err != nil {
				require.True(t, errors.As(err, &wrong), "%s: %v", name, err)
				require.Contains(t, wrong, name)
				require.True(t, utf8.ValidString(wrong.Error()))
			}
			_, err = json.Marshal(o.Anything)
			require.NoError(t, err)
		}
	})
}

// FuzzLookups gives every filter any value: an answer, or a refusal, never a fault.
func FuzzLookups(f *testing.F) {
	for _, seed := range []string{"", "x", "%", `\`, "a,b", "null", "1", "true", "2026-01-01", "(", "[a-", "!a", "a~%", `a=\,`, "\x00", "\xff", "prn:x:y", "/pulp/api/v3/", "0194b8e9-5425-799b-ad0a-86c71e160158"} {
		f.Add(seed)
	}
	s := openShop(f)
	var list pulp.Operation
	for _, o := range s.Operations() {
		if o.ID == "shop_orders_list" {
			list = o
		}
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, p := range list.Query {
			_, err := list.Do(s.With(t.Context()), &pulp.Request{Query: map[string][]string{p.Name: {value}}})
			var refused *pulp.InputError
			if err != nil {
				require.True(t, errors.As(err, &refused), "%s=%q: %v", p.Name, value, err)
			}
		}
	})
}
