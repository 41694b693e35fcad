package pulp_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A benchRequest is a request of the benchmarks with the code that it shall get.
type benchRequest struct {
	method, path, body string
	code               int
}

// A benchClient is one connection. It reads no more of an answer than it must, since client and
// server share the machine, and what a client spends hides what servers differ in.
type benchClient struct {
	net.Conn
	in  *bufio.Reader
	out []byte
}

func dialBench(tb testing.TB, addr string) *benchClient {
	conn, err := net.Dial("tcp", addr)
	require.NoError(tb, err)
	return &benchClient{Conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
}

var benchLogin = base64.StdEncoding.EncodeToString([]byte("admin:secret"))

// do sends a request and reads its answer; the body is returned if it is wanted.
func (c *benchClient) do(r benchRequest, wanted bool) ([]byte, error) {
	c.out = fmt.Appendf(c.out[:0], "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %s\r\n", r.method, r.path, benchLogin)
	if r.body != "" {
		c.out = fmt.Appendf(c.out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(r.body))
	}
	c.out = append(append(c.out, "\r\n"...), r.body...)
	if _, err := c.Write(c.out); err != nil {
		return nil, err
	}
	code, length, err := c.head()
	if err != nil {
		return nil, err
	}
	if wanted || code != r.code {
		body := make([]byte, length)
		if _, err = io.ReadFull(c.in, body); err == nil && code != r.code {
			err = fmt.Errorf("%s %s: %d %s", r.method, r.path, code, body)
		}
		return body, err
	}
	_, err = c.in.Discard(length)
	return nil, err
}

// head reads the code and the length of an answer.
func (c *benchClient) head() (code, length int, err error) {
	for length = -1; ; {
		line, err := c.in.ReadSlice('\n')
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case err != nil:
			return 0, 0, err
		case code == 0:
			if code, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, 0, err
			}
		case len(line) == 0 && length < 0:
			return 0, 0, fmt.Errorf("an answer without Content-Length")
		case len(line) == 0:
			return code, length, nil
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			if length, err = strconv.Atoi(string(line[16:])); err != nil {
				return 0, 0, err
			}
		}
	}
}

// sendAll sends requests over as many connections.
func sendAll(b *testing.B, addr string, connections int, requests []benchRequest) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			c := dialBench(b, addr)
			defer c.Close()
			for i := next.Add(1) - 1; i < int64(len(requests)); i = next.Add(1) - 1 {
				if _, err := c.do(requests[i], false); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
