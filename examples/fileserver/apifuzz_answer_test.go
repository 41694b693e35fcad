package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// general are the refusals that any operation may answer with; they are not in the document.
var general = []int{400, 401, 403, 404, 405, 409, 413, 415}

var uuidText = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$|^[0-9a-f]{32}$`)

// leaks are in no answer of a server that keeps to itself how it works.
var leaks = regexp.MustCompile(`goroutine \d|constraint failed|SQL logic|SQLITE_|sql: |no such column|near ".*": syntax|runtime error|\.go:\d+`)

// judge says what is wrong with an answer to a call, if anything, and returns its body decoded.
func (d *apiDocument) judge(c *call, a *answer) (body any, wrong []string) {
	body, wrong = decoded(a)
	if a.code >= 500 {
		return body, append(wrong, fmt.Sprintf("code %d", a.code))
	}
	given := a.header["Correlation-ID"] //lint:ignore SA1008 clients look for this spelling
	if id := strings.Join(given, " "); !uuidText.MatchString(id) {
		wrong = append(wrong, fmt.Sprintf("Correlation-ID %q", id))
	}
	if a.code >= 400 && leaks.Match(a.body) && !leaks.Match(c.body) {
		wrong = append(wrong, "it tells what goes on inside")
	}
	op := d.Paths[d.template(c.url.Path)][strings.ToLower(c.op.method)] // an odd key may lead elsewhere
	switch {
	case a.code == 301 && c.op.method == "GET":
	case op == nil && !slices.Contains([]int{404, 405}, a.code):
		wrong = append(wrong, fmt.Sprintf("code %d, where the document has nothing", a.code))
	case op != nil && a.code < 400:
		wrong = append(wrong, d.success(op, c, a, body)...)
	case op == nil || slices.Contains(general, a.code) && op.Responses[fmt.Sprint(a.code)].Content == nil:
		wrong = append(wrong, refusalShape(a, body)...)
	default:
		wrong = append(wrong, d.documented(op, c, a, body)...)
	}
	return body, wrong
}

func decoded(a *answer) (body any, wrong []string) {
	if len(a.body) == 0 || a.stream {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil || decoder.More() {
		return nil, []string{fmt.Sprintf("the body is not JSON: %v", err)}
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		return body, []string{fmt.Sprintf("the body has the type %q", kind)}
	}
	return body, nil
}

// success checks an answer and that the request deserved it.
func (d *apiDocument) success(op *apiOperation, c *call, a *answer, body any) []string {
	wrong := d.documented(op, c, a, body)
	if op.RequestBody != nil && c.fields != nil {
		for _, v := range d.violations(decodedFields(c.fields), op.RequestBody.Content["application/json"].Schema, "request", lenient) {
			wrong = append(wrong, "accepted "+v)
		}
	}
	return wrong
}

func decodedFields(fields map[string]any) (v any) {
	decoder := json.NewDecoder(bytes.NewReader(encoded(fields)))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

// documented checks an answer whose code must be in the document.
func (d *apiDocument) documented(op *apiOperation, c *call, a *answer, body any) []string {
	response, ok := op.Responses[fmt.Sprint(a.code)]
	switch {
	case !ok:
		return []string{fmt.Sprintf("code %d is not in the document", a.code)}
	case a.stream && response.Content["text/event-stream"].Schema == nil:
		return []string{"a stream that is not in the document"}
	case a.stream:
		return nil
	case len(response.Content) == 0 && len(a.body) > 0:
		return []string{"the document has no body here"}
	case len(response.Content) == 0 || a.code == http.StatusConflict && len(a.body) == 0:
		return nil
	case len(a.body) == 0:
		return []string{"there is no body"}
	}
	how := strict
	if strings.Contains(c.url.RawQuery, "fields=") {
		how = partial
	}
	return d.page(body, response.Content["application/json"].Schema, how)
}

// page checks a body, in which the objects of a page may be partial.
func (d *apiDocument) page(body any, s *apiSchema, how reading) []string {
	object, ok := body.(map[string]any)
	results, many := object["results"].([]any)
	if s = d.resolve(s); !ok || !many || how == strict || s.Properties["results"] == nil {
		return d.violations(body, s, "answer", how)
	}
	var wrong []string
	for _, e := range results {
		wrong = append(wrong, d.violations(e, s.Properties["results"].Items, "answer", partial)...)
	}
	return wrong
}

// refusalShape checks that a refusal is a detail, a list of sentences, or such lists by field.
func refusalShape(a *answer, body any) []string {
	switch {
	case a.code == 409 && len(a.body) == 0: // the deletion of a task that has not ended
		return nil
	case a.code == 401 && a.header.Get("WWW-Authenticate") == "":
		return []string{"a 401 without WWW-Authenticate"}
	case a.code == 405 && a.header.Get("Allow") == "":
		return []string{"a 405 without Allow"}
	}
	switch body := body.(type) {
	case []any:
		if sentences(body) {
			return nil
		}
	case map[string]any:
		if detail, ok := body["detail"].(string); ok && len(body) == 1 && detail != "" {
			return nil
		}
		if a.code == 400 && len(body) > 0 && fieldErrors(body) {
			return nil
		}
	}
	return []string{"the refusal has no shape that clients know"}
}

// fieldErrors says whether all members are sentences, or such objects again.
func fieldErrors(body map[string]any) bool {
	for _, v := range body {
		switch v := v.(type) {
		case []any:
			if !sentences(v) {
				return false
			}
		case map[string]any:
			if !fieldErrors(v) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func sentences(all []any) bool {
	for _, s := range all {
		if t, ok := s.(string); !ok || t == "" {
			return false
		}
	}
	return len(all) > 0
}
