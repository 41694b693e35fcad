package httpapi

import (
	"mime"
	"strconv"
	"strings"
)

// Accepts is the one of some media types that the client likes best, by its header Accept; of those that it
// likes as well as each other, the first. A client that accepts none of them, or does not say, gets the first.
func (r *LiveRequest) Accepts(types ...string) string {
	best, liked := types[0], 0.0
	header := strings.Join(r.Header.Values("Accept"), ",")
	if header == "" {
		return best
	}
	for _, t := range types {
		if q := quality(header, t); q > liked {
			best, liked = t, q
		}
	}
	return best
}

// quality is how much a header Accept wants a media type, from 0 to 1: what its most exact range says.
func quality(header, mediaType string) (q float64) {
	major, _, _ := strings.Cut(mediaType, "/")
	exact := 0
	for part := range strings.SplitSeq(header, ",") {
		kind, params, err := mime.ParseMediaType(part)
		rank := map[string]int{mediaType: 3, major + "/*": 2, "*/*": 1}[kind]
		if err != nil || rank <= exact {
			continue
		}
		exact, q = rank, 1
		if value, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(value, 64); err != nil || q < 0 || q > 1 {
				q = 0
			}
		}
	}
	return q
}
