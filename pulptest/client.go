package pulptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"
)

// A Client speaks the REST API as the admin. A path may be an href of an answer, or lie below
// the API's root: "repositories/file/file/". What the API answers against expectation fails the
// test and shows the answer's body.
type Client struct {
	// Base is scheme and host of the server.
	Base string
	// Root is the path of the API.
	Root string
	// User and Password are sent with each request; an empty User sends none.
	User, Password string

	http *http.Client
}

// NewClient makes a client of a server that runs elsewhere.
func NewClient(base, user, password string) *Client {
	return &Client{Base: base, Root: "/pulp/api/v3/", User: user, Password: password, http: &http.Client{Timeout: patience}}
}

// An Answer is what came back, read whole.
type Answer struct {
	Code   int
	Header http.Header
	Body   []byte
}

// Object is the answer's JSON.
func (a *Answer) Object(t T) Object {
	t.Helper()
	var o Object
	require.NoError(t, json.Unmarshal(a.Body, &o), "%d %s", a.Code, a.Body)
	return o
}

// Do sends a request. body may be nil, a [Form], an io.Reader, or anything that has a JSON form.
func (c *Client) Do(t T, method, path string, body any, headers ...string) *Answer {
	t.Helper()
	a, err := c.Try(method, path, body, headers...)
	require.NoError(t, err)
	return a
}

// Try is Do for those who expect that the connection breaks, or who are not on the test's
// goroutine.
func (c *Client) Try(method, path string, body any, headers ...string) (*Answer, error) {
	req, err := c.request(method, path, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return &Answer{res.StatusCode, res.Header, b}, err
}

func (c *Client) request(method, path string, body any) (*http.Request, error) {
	var r io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r, kind = b, "application/octet-stream"
	case Form:
		buf, contentType, err := b.encode()
		if err != nil {
			return nil, err
		}
		r, kind = buf, contentType
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, c.url(path), r)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if c.User != "" {
		req.SetBasicAuth(c.User, c.Password)
	}
	return req, nil
}

func (c *Client) url(path string) string {
	switch {
	case strings.Contains(path, "://"):
		return path
	case strings.HasPrefix(path, "/"):
		return c.Base + path
	}
	return c.Base + c.Root + path
}

// A Form is a multipart body: fields, and files as []byte.
type Form map[string]any

func (f Form) encode() (*bytes.Buffer, string, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range f {
		bytes, isFile := value.([]byte)
		if !isFile {
			if err := w.WriteField(name, fmt.Sprint(value)); err != nil {
				return nil, "", err
			}
			continue
		}
		part, err := w.CreateFormFile(name, name)
		if err != nil {
			return nil, "", err
		}
		part.Write(bytes) // a buffer takes it
	}
	return &b, w.FormDataContentType(), w.Close()
}
