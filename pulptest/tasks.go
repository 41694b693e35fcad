package pulptest

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"
)

// Start sends a request that is answered with a task, and returns the task's href.
func (c *Client) Start(t T, method, path string, body any) string {
	t.Helper()
	return c.expect(t, http.StatusAccepted, method, path, body).Object(t).Text("task")
}

// Completes starts a task with a POST, waits for it and returns it; it must complete.
func (c *Client) Completes(t T, path string, body any) Object {
	t.Helper()
	return c.completed(t, c.Do(t, "POST", path, body), "POST", path)
}

func (c *Client) completed(t T, a *Answer, method, path string) Object {
	t.Helper()
	require.Equal(t, http.StatusAccepted, a.Code, "%s %s: %s", method, path, a.Body)
	task := c.Wait(t, a.Object(t).Text("task"))
	require.Equal(t, "completed", task.Text("state"), "%s %s: %v", method, path, task["error"])
	return task
}

// Fails starts a task with a POST, waits for it and returns what it says of its failure.
func (c *Client) Fails(t T, path string, body any) string {
	t.Helper()
	return c.Failed(t, c.Start(t, "POST", path, body)).Text("description")
}

// Failed waits for a task that fails, and returns its error.
func (c *Client) Failed(t T, task string) Object {
	t.Helper()
	o := c.Wait(t, task)
	require.Equal(t, "failed", o.Text("state"), "%v", o)
	return o.Object("error")
}

// State reads the state of a task.
func (c *Client) State(t T, task string) string {
	t.Helper()
	return c.Get(t, task).Text("state")
}

// Wait returns a task when it has ended.
func (c *Client) Wait(t T, task string) Object {
	t.Helper()
	pause := time.Millisecond
	for begin := time.Now(); time.Since(begin) < patience; pause = min(2*pause, 50*time.Millisecond) {
		o := c.Get(t, task)
		switch o.Text("state") {
		case "completed", "failed", "canceled", "skipped":
			return o
		}
		time.Sleep(pause) // over HTTP there is no way to be told
	}
	require.Fail(t, "the task does not end", "%s", task)
	return nil
}

// Cancels asks a task to stop, and returns it when it has ended.
func (c *Client) Cancels(t T, task string) Object {
	t.Helper()
	c.expect(t, http.StatusOK, "PATCH", task, Object{"state": "canceled"})
	return c.Wait(t, task)
}
