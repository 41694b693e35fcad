// Package httpload sends requests to a server over connections that stay open, for benchmarks.
// Its clients read no more of an answer than they must, since client and server share the
// machine, and what a client spends hides what servers differ in.
package httpload

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"sync"
	"sync/atomic"
)

// A Request is sent with a JSON body, or none, and wants an answer of that Code.
type Request struct {
	Method, Path, Body string
	Code               int
}

// A Client is one connection.
type Client struct {
	net.Conn
	authorization string
	in            *bufio.Reader
	out           []byte
}

// Dial connects to "host:port". authorization is the header of that name in each request.
func Dial(addr, authorization string) (*Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return &Client{Conn: conn, authorization: authorization, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// Do sends a request and reads its answer, whose body is returned if it is wanted. An answer with
// another code is an error.
func (c *Client) Do(r Request, wanted bool) ([]byte, error) {
	c.out = fmt.Appendf(c.out[:0], "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n", r.Method, r.Path, c.authorization)
	if r.Body != "" {
		c.out = fmt.Appendf(c.out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(r.Body))
	}
	c.out = append(append(c.out, "\r\n"...), r.Body...)
	if _, err := c.Write(c.out); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	code, length, err := c.head()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	body, err := c.body(length, wanted || code != r.Code)
	if err == nil && code != r.Code {
		err = fmt.Errorf("%s %s: %d %s", r.Method, r.Path, code, body)
	}
	return body, err
}

// body reads a body of a known length, or of chunks.
func (c *Client) body(length int, wanted bool) (body []byte, err error) {
	switch {
	case length == chunked && wanted:
		body, err = io.ReadAll(httputil.NewChunkedReader(c.in))
	case length == chunked:
		_, err = io.Copy(io.Discard, httputil.NewChunkedReader(c.in))
	case wanted:
		body = make([]byte, length)
		_, err = io.ReadFull(c.in, body)
	default:
		_, err = c.in.Discard(length)
	}
	if length == chunked && err == nil {
		_, err = c.in.Discard(len("\r\n")) // after the last chunk
	}
	return body, err
}

// Lengths of bodies that are not told.
const (
	untold  = -1
	chunked = -2
)

// head reads the code and the length of an answer.
func (c *Client) head() (code, length int, err error) {
	for length = untold; ; {
		line, err := c.in.ReadSlice('\n')
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case err != nil:
			return 0, 0, err
		case code == 0 && len(line) < 12:
			return 0, 0, fmt.Errorf("no answer: %q", line)
		case code == 0:
			if code, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, 0, err
			}
		case len(line) == 0 && length == untold:
			return 0, 0, errors.New("an answer without a length")
		case len(line) == 0:
			return code, length, nil
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = chunked
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, 0, err
			}
		}
	}
}

// SendAll sends requests over so many connections, each as soon as one is free, and returns the
// first error of each connection.
func SendAll(addr, authorization string, connections int, requests []Request) []error {
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, connections)
	for range connections {
		wg.Go(func() {
			c, err := Dial(addr, authorization)
			if err != nil {
				failed <- err
				return
			}
			defer c.Close()
			for i := next.Add(1) - 1; i < int64(len(requests)); i = next.Add(1) - 1 {
				if _, err := c.Do(requests[i], false); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errs
}
