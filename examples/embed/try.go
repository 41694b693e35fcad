package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// wait says where everything is, and waits for the end of ctx.
func wait(ctx context.Context, out io.Writer, base string) error {
	fmt.Fprintf(out, `The host's own handler:
  curl -d revision=abc123 -d machine=amber %[1]s/build
The API of its rows, made by the platform:
  curl -u admin:%[2]s %[1]s/platform/pulp/api/v3/ci/builds/
Ctrl-C ends it.
`, base, password)
	<-ctx.Done()
	return nil
}

// try uses the service as its clients do.
func try(ctx context.Context, out io.Writer, base string) error {
	const api = "/platform/pulp/api/v3/"
	for _, step := range []struct {
		title, method, path string
		form                url.Values
	}{
		{"The host's own handler writes a row, dispatches a task and waits for it:",
			"POST", "/build", url.Values{"revision": {"abc123"}, "machine": {"amber"}}},
		{"An unknown machine leaves neither a row nor a task:",
			"POST", "/build", url.Values{"revision": {"abc123"}, "machine": {"chalk"}}},
		{"The same rows over the REST API, with filters, paging and hrefs:",
			"GET", api + "ci/builds/?revision=abc123&fields=pulp_href,revision,machine,digest", nil},
		{"A build made over the REST API is enqueued in the same way:",
			"POST", api + "ci/builds/", url.Values{"revision": {"def456"}, "machine": {"basalt"}}},
		{"A struct with a key of its own has an API, too:",
			"GET", api + "ci/machines/amber/", nil},
		{"And the platform knows what each task reserved:",
			"GET", api + "tasks/?name=ci.compile&limit=1&ordering=pulp_created&fields=name,reserved_resources_record", nil},
	} {
		status, body, err := request(ctx, step.method, base+step.path, step.form)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n  %s %s %s\n  => %s %s\n\n", step.title, step.method, step.path, step.form.Encode(), status, strings.TrimSpace(body))
	}
	return nil
}

// request sends a form, or nothing, and returns the answer.
func request(ctx context.Context, method, url string, form url.Values) (status, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(form.Encode()))
	if err != nil {
		return "", "", err
	}
	req.SetBasicAuth("admin", password)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.Status, string(text), err
}
