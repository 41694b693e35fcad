package pulp

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/gopulp/pulp/internal/jq"
)

// headerDetail is a header that permits.
type headerDetail struct {
	HeaderName  string  `json:"header_name" validate:"required" doc:"The header name the guard will check on."`
	HeaderValue string  `json:"header_value" validate:"required" doc:"The value that will authorize the request."`
	JQFilter    *string `json:"jq_filter" doc:"A JQ syntax compatible filter. If jq_filter is not specified, then the value of the header is compared as it is. Paths like .identity.org_id and .a[0] are understood, and | between them."`
}

func headerGuards() Part {
	return &GuardType[headerDetail]{
		Name: "header", Class: "HeaderContentGuard",
		Validate: func(_, m *Guard[headerDetail]) error {
			if m.Detail.JQFilter == nil {
				return nil
			}
			if _, err := jq.Parse(*m.Detail.JQFilter); err != nil {
				return FieldErrors{"jq_filter": {fmt.Sprintf("Invalid jq filter: %s.", err)}}
			}
			return nil
		},
		Permit: func(_ context.Context, g *Guard[headerDetail], r *ContentRequest) error { return g.Detail.permit(r) },
	}
}

// permit compares what the header holds, which is base64 of text, or of JSON if there is a filter.
func (d *headerDetail) permit(r *ContentRequest) error {
	sent := r.Header(d.HeaderName)
	if sent == "" {
		return Deny("Access not authorized: the header %s is missing.", d.HeaderName)
	}
	value, err := base64.StdEncoding.DecodeString(sent)
	if err != nil {
		return Deny("Access not authorized: the header %s is not base64.", d.HeaderName)
	}
	if d.JQFilter != nil {
		if value, err = d.filtered(value); err != nil {
			return Deny("Access not authorized: the header %s does not hold what is looked for.", d.HeaderName)
		}
	}
	if subtle.ConstantTimeCompare(value, []byte(d.HeaderValue)) != 1 {
		return Deny("Access not authorized.")
	}
	return nil
}

// filtered is the text of the first value that the filter finds: numbers and booleans as JSON
// writes them.
func (d *headerDetail) filtered(text []byte) ([]byte, error) {
	f, err := jq.Parse(*d.JQFilter)
	if err != nil {
		return nil, err
	}
	found, err := f.First(text)
	if err != nil {
		return nil, err
	}
	if s, ok := found.(string); ok {
		return []byte(s), nil
	}
	return json.Marshal(found)
}
