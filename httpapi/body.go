package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/gopulp/pulp"
)

// The types of bodies that are understood.
const (
	jsonType      = "application/json"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
	eventsType    = "text/event-stream" // of answers only
	yamlType      = "application/yaml"  // of answers only
)

// read decodes the request's body into in. No body is an empty object, whatever its type.
// What it has read before an error is in in as well, so that files can be discarded.
func (s *server) read(w http.ResponseWriter, r *http.Request, op *pulp.Operation, in *pulp.Input) error {
	body := bufio.NewReader(r.Body)
	if _, err := body.Peek(1); errors.Is(err, io.EOF) {
		return nil
	}
	named := r.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(named)
	switch {
	case err == nil && kind == multipartType:
		return s.readMultipart(r.Context(), body, params["boundary"], in)
	case err == nil && kind == jsonType && !op.Form, err == nil && kind == formType:
		data, err := io.ReadAll(http.MaxBytesReader(w, io.NopCloser(body), s.bodyLimit))
		if err != nil {
			return broken(err)
		}
		if kind == jsonType {
			in.Fields, err = parseJSON(data)
		} else {
			in.Fields, err = parseForm(string(data))
		}
		return err
	}
	return refuse(http.StatusUnsupportedMediaType, "Unsupported media type %q in request.", named)
}

// broken is the error of a body that ended too early or grew too large.
func broken(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return refuse(http.StatusBadRequest, "The request's body could not be read - %v", err)
}

// parseJSON reads one object. Of members with the same name the last one counts.
func parseJSON(data []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(data) {
		return nil, refuse(http.StatusBadRequest, "JSON parse error - the text is not UTF-8")
	}
	var fields map[string]json.RawMessage
	err := json.Unmarshal(data, &fields)
	var other *json.UnmarshalTypeError
	switch {
	case errors.As(err, &other):
		return nil, notObject(other.Value)
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "JSON parse error - %v", err)
	case fields == nil:
		return nil, pulp.FieldErrors{pulp.NonField: {"No data provided"}}
	}
	return fields, nil
}

// notObject uses the names of types that Pulp's clients know.
func notObject(kind string) error {
	names := map[string]string{"array": "list", "string": "str", "number": "int", "bool": "bool"}
	e := pulp.FieldErrors{}
	e.Add(pulp.NonField, "Invalid data. Expected a dictionary, but got %s.", names[kind])
	return e
}

// parseForm reads a urlencoded form.
func parseForm(data string) (map[string]json.RawMessage, error) {
	values, err := url.ParseQuery(data)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "Form parse error - %v", err)
	}
	f := form{}
	for name, list := range values {
		for _, v := range list {
			if err := f.add(name, v); err != nil {
				return nil, err
			}
		}
	}
	return f.fields(), nil
}

// A form collects text by field.
type form map[string][]string

func (f form) add(name, value string) error {
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return refuse(http.StatusBadRequest, "Form parse error - the text is not UTF-8")
	}
	f[name] = append(f[name], value)
	return nil
}

// fields makes JSON of the text: a string, or an array where a field came several times.
func (f form) fields() map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(f))
	for name, values := range f {
		if len(values) == 1 {
			out[name] = encode(values[0])
		} else {
			out[name] = encode(values)
		}
	}
	return out
}
