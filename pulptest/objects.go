package pulptest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"
)

// Get reads an object.
func (c *Client) Get(t T, path string) Object {
	t.Helper()
	return c.expect(t, http.StatusOK, "GET", path, nil).Object(t)
}

// List reads all pages of a list. query is "name=value&…", or empty.
func (c *Client) List(t T, path string, query ...string) []Object {
	t.Helper()
	out := []Object{}
	next := path + "?limit=1000&" + strings.Join(query, "&")
	for next != "" {
		var page struct {
			Count   int
			Next    *string
			Results []Object
		}
		a := c.expect(t, http.StatusOK, "GET", next, nil)
		require.NoError(t, json.Unmarshal(a.Body, &page), "%s", a.Body)
		out, next = append(out, page.Results...), ""
		if page.Next != nil {
			next = *page.Next
		}
	}
	return out
}

// Param makes a parameter of a query.
func Param(name, value string) string { return name + "=" + url.QueryEscape(value) }

// Create makes an object, directly or by a task, and returns it.
func (c *Client) Create(t T, path string, body any) Object {
	t.Helper()
	a := c.Do(t, "POST", path, body)
	if a.Code == http.StatusCreated {
		return a.Object(t)
	}
	task := c.completed(t, a, "POST", path)
	for _, href := range task.Texts("created_resources") {
		if strings.Contains(href, path) {
			return c.Get(t, href)
		}
	}
	require.Fail(t, "nothing was created", "POST %s: %v", path, task)
	return nil
}

// Update changes fields of an object, directly or by a task, and returns it as it is then.
func (c *Client) Update(t T, path string, fields Object) Object {
	t.Helper()
	if a := c.Do(t, "PATCH", path, fields); a.Code != http.StatusOK {
		c.completed(t, a, "PATCH", path)
	}
	return c.Get(t, path)
}

// Delete deletes an object, directly or by a task.
func (c *Client) Delete(t T, path string) {
	t.Helper()
	if a := c.Do(t, "DELETE", path, nil); a.Code != http.StatusNoContent {
		c.completed(t, a, "DELETE", path)
	}
}

// Refused sends a request that is answered with a code, and returns the answer.
func (c *Client) Refused(t T, code int, method, path string, body any) *Answer {
	t.Helper()
	return c.expect(t, code, method, path, body)
}

func (c *Client) expect(t T, code int, method, path string, body any) *Answer {
	t.Helper()
	a := c.Do(t, method, path, body)
	require.Equal(t, code, a.Code, "%s %s: %s", method, path, a.Body)
	return a
}

// Content gets what is served below the content root at a path, or at a full URL.
func (c *Client) Content(t T, path string, headers ...string) *Answer {
	t.Helper()
	return c.Do(t, "GET", c.ContentURL(path), nil, headers...)
}

// ContentURL is where a path below the content root is.
func (c *Client) ContentURL(path string) string {
	if strings.Contains(path, "://") {
		return path
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return c.Base + strings.TrimSuffix(c.Root, "api/v3/") + "content/" + strings.Join(parts, "/")
}
