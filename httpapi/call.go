package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/gopulp/pulp"
)

// call runs an operation and writes its answer.
func (s *server) call(w http.ResponseWriter, r *http.Request, op *pulp.Operation) {
	r, answer, err := s.do(w, r, op)
	if err == nil && answer == nil {
		err = errors.New("operation " + op.ID + " returned neither an answer nor an error")
	}
	if err == nil && answer.Session != 0 {
		err = s.changeSession(w, r, answer.Session)
	}
	switch {
	case err != nil:
		s.fail(w, r, err)
	case answer.Kind == pulp.NoContent:
		w.WriteHeader(http.StatusNoContent)
	case answer.Stream != nil:
		s.stream(w, r, answer)
	case answer.Page != nil:
		writeBody(w, int(answer.Kind), s.page(r, answer.Page))
	default:
		writeBody(w, int(answer.Kind), answer.Body)
	}
}

// stream writes an answer bit by bit. The server's limit on the time of writing is for answers
// that come to an end.
func (s *server) stream(w http.ResponseWriter, r *http.Request, answer *pulp.Answer) {
	w.Header().Set("Content-Type", eventsType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(int(answer.Kind))
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // a server that cannot has no such limit
	if err := answer.Stream(r.Context(), w, func() { _ = rc.Flush() }); err != nil {
		panic(http.ErrAbortHandler) // half of it is written; all that is left is to break off
	}
}

// do finds out who calls, reads what they sent and runs the operation; files that it did not
// keep are gone afterwards. It returns the request as it stood at the end.
func (s *server) do(w http.ResponseWriter, r *http.Request, op *pulp.Operation) (*http.Request, *pulp.Answer, error) {
	if err := s.crossOrigin.Check(r); err != nil {
		return r, nil, refuse(http.StatusForbidden, "Requests from other sites are not allowed.")
	}
	on, err := s.identify(r, op)
	if err != nil {
		return r, nil, err
	}
	r = on
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return r, nil, pulp.Refuse("The query string is malformed.")
	}
	input := pulp.Input{Fields: map[string]json.RawMessage{}}
	defer discard(&input)
	if op.Body != nil {
		if err := s.read(w, r, op, &input); err != nil {
			return r, nil, err
		}
	}
	answer, err := op.Do(r.Context(), &pulp.Request{Vars: mux.Vars(r), Query: query, Body: input, Header: r.Header.Get})
	return r, answer, err
}

// discard removes the files that nobody kept, also those of a form that broke off.
func discard(in *pulp.Input) {
	for _, f := range in.Files {
		f.Discard()
	}
}

// page writes a part of a list with the links to its neighbours.
func (s *server) page(r *http.Request, p *pulp.Page) []byte {
	next, previous := s.neighbours(r, p)
	size := 256 + len(next) + len(previous)
	for _, item := range p.Results {
		size += len(item) + 1
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	b.WriteString(`{"count":`)
	b.WriteString(strconv.FormatInt(p.Count, 10))
	b.WriteString(`,"next":`)
	b.Write(link(next))
	b.WriteString(`,"previous":`)
	b.Write(link(previous))
	b.WriteString(`,"results":[`)
	for i, item := range p.Results {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(item)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func link(url string) []byte {
	if url == "" {
		return []byte("null")
	}
	return encode(url)
}

// writeJSON answers with a value.
func writeJSON(w http.ResponseWriter, code int, v any) { writeBody(w, code, encode(v)) }

// encode leaves <, > and & as they are, as Pulp does. What this package encodes cannot fail.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// writeBody answers with JSON. The content type has no parameter: clients compare it with
// the document's, byte by byte.
func writeBody(w http.ResponseWriter, code int, body []byte) {
	if len(body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	w.Write(body) // an error means that the client has left
}
