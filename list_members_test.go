package pulp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

func TestPagesOfAVersionAreTheSameInWhateverOrderTheyAreRead(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	var units []string
	for i := range 25 {
		units = append(units, s.unit(t, fmt.Sprintf("f%d", i), fmt.Sprint(i)))
	}
	s.modify(t, repo, object{"add_content_units": units})
	s.modify(t, repo, object{"remove_content_units": units[5:10]})
	version := func(n int) string {
		return pulptest.Param("repository_version", fmt.Sprintf("%sversions/%d/", repo.Href(), n))
	}
	page := func(of string, limit, offset int) (hrefs []string) {
		p := s.Get(t, fmt.Sprintf("%s?%s&limit=%d&offset=%d", fileContent, of, limit, offset))
		require.Equal(t, map[string]int{version(1): 25, version(2): 20}[of], p.Number("count"))
		require.Equal(t, offset+limit < p.Number("count"), p["next"] != nil)
		for _, o := range p.Objects("results") {
			hrefs = append(hrefs, o.Href())
		}
		return hrefs
	}
	for n, count := range map[int]int{1: 25, 2: 20} {
		all := page(version(n), 100, 0)
		require.Len(t, all, count)
		for _, limit := range []int{7, 3, 10, 1} {
			for _, offset := range []int{14, 0, 7, 3, 19, 6, 17, 24, 25, 1000} {
				want := all[min(offset, count):min(offset+limit, count)]
				require.Equal(t, append([]string(nil), want...), page(version(n), limit, offset), "version %d, %d from %d", n, limit, offset)
			}
		}
	}
	latest := s.Get(t, fileContent+"?"+pulptest.Param("repository_version", repo.Href())) // the latest one
	require.Equal(t, 20, latest.Number("count"))
	require.Empty(t, s.List(t, fileContent, version(2), "relative_path=f7"))
	require.Len(t, s.List(t, fileContent, version(1), "relative_path=f7"), 1)
	require.Len(t, s.List(t, "content/", version(2)), 20)
}
