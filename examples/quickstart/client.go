package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// A request is what a step asks of the server.
type request struct {
	url, user, password string
	body                string // JSON; empty makes the request a GET
	save                string // the file into which curl writes the answer; empty for the terminal
}

// A doer makes a request and returns the body of the answer. An answer that is no success is an
// error.
type doer func(ctx context.Context, r request) ([]byte, error)

// overHTTP is the doer of this program.
func overHTTP(ctx context.Context, r request) ([]byte, error) {
	method := http.MethodGet
	if r.body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url, strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.user != "" {
		req.SetBasicAuth(r.user, r.password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, r.url, res.Status, body)
	}
	return body, err
}

// curl is the command that makes the same request, in lines that a shell takes as one.
func (r request) curl() string {
	lines := []string{"curl -sS"}
	if r.user != "" {
		lines[0] += " -u " + quote(r.user+":"+r.password)
	}
	if r.body != "" {
		lines[0] += " -H 'Content-Type: application/json'"
		lines = append(lines, "-d "+quote(r.body))
	}
	if r.save != "" {
		lines[0] += " -o " + quote(r.save)
	}
	return strings.Join(append(lines, quote(r.url)), " \\\n  ")
}

// quote makes s one word of a shell.
func quote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// A body is a JSON object to send: name, value, name, value, ...
type body []string

// String is the JSON, in several lines if it is long.
func (b body) String() string {
	var members []string
	for i := 0; i+1 < len(b); i += 2 {
		members = append(members, member(b[i])+":"+member(b[i+1]))
	}
	text := "{" + strings.Join(members, ",") + "}"
	if len(text) > 70 {
		text = "{" + strings.Join(members, ",\n       ") + "}"
	}
	return text
}

func member(s string) string {
	text, _ := json.Marshal(s) // a text always has a JSON form
	return string(text)
}
