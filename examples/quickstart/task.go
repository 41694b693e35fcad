package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A task is what the API tells of work in the background.
type task struct {
	Name, State string
	Progress    []struct {
		Code string
		Done int
	} `json:"progress_reports"`
	Created []string `json:"created_resources"`
	Error   json.RawMessage
}

// pause is how long the program waits before it looks at a task again.
const pause = 200 * time.Millisecond

// work makes a request that starts a task, shows the task until it has ended, and returns what
// it made.
func (t *tour) work(href string, fields body) (made []string, err error) {
	var answer struct{ Task string }
	if err := t.ask(t.api(href, fields), &answer); err != nil {
		return nil, err
	}
	if answer.Task == "" {
		return nil, errors.New("the answer names no task")
	}
	t.say("   => task, to be looked at until it has ended")
	look := t.api(answer.Task, nil)
	t.show(look)
	for before := ""; ; {
		var now task
		if err := t.fetch(look, &now); err != nil {
			return nil, err
		}
		if line := now.String(); line != before {
			t.say("   => %s", line)
			before = line
		}
		switch now.State {
		case "completed":
			return now.Created, nil
		case "failed", "canceled", "skipped":
			return nil, fmt.Errorf("task %s %s: %s", now.Name, now.State, now.Error)
		}
		select {
		case <-time.After(pause):
		case <-t.ctx.Done():
			return nil, t.ctx.Err()
		}
	}
}

// String is a line about how far the task is.
func (t task) String() string {
	line := t.State
	for _, part := range []struct{ code, word string }{
		{"sync.parsing.metadata", "listed"},
		{"sync.downloading.artifacts", "downloaded"},
		{"associating.content", "added"},
	} {
		for _, p := range t.Progress {
			if p.Code == part.code {
				line += fmt.Sprintf("   %s %d", part.word, p.Done)
			}
		}
	}
	return line
}

// one finds the only href with a word in it.
func one(hrefs []string, word string) (string, error) {
	for _, href := range hrefs {
		if strings.Contains(href, word) {
			return href, nil
		}
	}
	return "", fmt.Errorf("the task made %q, of which none is in %s", hrefs, word)
}
