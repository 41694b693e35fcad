package jq_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/internal/jq"
)

const sample = `{"identity": {"org_id": "7", "n": 12345678901234567890, "b c": true}, "list": [{"x": null}, {"x": 2}, 3], "deep": [[1], [2]]}`

func TestFiltersFindWhatJQFinds(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]any{
		".identity.org_id":          "7",
		" . | .identity\n|.org_id ": "7",
		`."identity"."org_id"`:      "7",
		`.["identity"][ "org_id" ]`: "7",
		`.["iden\u0074ity"].org_id`: "7",
		`.identity.["org_id"]`:      "7",
		".identity.n":               json.Number("12345678901234567890"),
		`.identity."b c"`:           true,
		".list[1].x":                json.Number("2"),
		".list[-1]":                 json.Number("3"),
		".list[0].x":                nil,
		".list[9]":                  nil,
		".list[-9]":                 nil,
		".none.of.this":             nil,
		".none[0]":                  nil,
		".deep[][]":                 json.Number("1"),
		".list[].x?":                nil,
		".list[] | .x? | .y":        nil,
		".deep[1] | .[]":            json.Number("2"),
		".identity[]":               true, // in the order of the names
	} {
		f, err := jq.Parse(filter)
		require.NoError(t, err, filter)
		found, err := f.First([]byte(sample))
		require.NoError(t, err, filter)
		require.Equal(t, want, found, filter)
	}
}

func TestFiltersThatFindNothingAreErrors(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string]string{
		".identity.org_id.x": "no such part", ".identity[0]": "no such part", ".list.x": "no such part",
		".identity.org_id[]": "only objects and arrays", ".identity.org_id.x?": "nothing found", ".none[]?": "nothing found",
	} {
		f, err := jq.Parse(filter)
		require.NoError(t, err, filter)
		_, err = f.First([]byte(sample))
		require.ErrorContains(t, err, want, filter)
	}
	f, err := jq.Parse(".")
	require.NoError(t, err)
	for _, text := range []string{"", "{", "1 2", "{} x"} {
		_, err := f.First([]byte(text))
		require.Error(t, err, text)
	}
}

func TestOtherJQIsRefused(t *testing.T) {
	t.Parallel()
	for _, filter := range []string{"", "a", "..", ".a | ", ".a b", ".[", ".[1", ".[1.5]", ".[1:2]", `.["a]`, `."a`, `."\(1)"`, `.a.`, ".a,.b", "length", ".a // 1", ".1", ".a.[", "$x", ".a|length"} {
		_, err := jq.Parse(filter)
		require.Error(t, err, filter)
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(".a.b[0]?|.[]", sample)
	f.Add(`.["a"]`, `{"a":1}`)
	f.Fuzz(func(t *testing.T, filter, text string) {
		if p, err := jq.Parse(filter); err == nil {
			_, _ = p.First([]byte(text))
		}
	})
}
