package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"syscall"

	"github.com/gopulp/pulp"
)

// detail is the body of an error that belongs to no field.
type detail struct {
	Detail string `json:"detail"`
}

const serverError = "Internal server error."

// A refusal is an error of HTTP itself.
type refusal struct {
	code int
	text string
}

func (e *refusal) Error() string { return e.text }

func refuse(code int, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// A sentence is an error that chose what the client reads of it. Errors that do not
// implement it give the usual sentence of their kind, since their own text may tell what
// only operators should know.
type sentence interface {
	error
	Detail() string
}

// fault is what a client gets for an error: the one place that knows which error is which
// code. Zero means that nobody is there to get it.
func fault(err error) (code int, body any) {
	var refused *refusal
	var fields pulp.FieldErrors
	var input *pulp.InputError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return refused.code, detail{refused.text}
	case errors.As(err, &fields):
		return http.StatusBadRequest, fields
	case errors.As(err, &input) && input.Field != "":
		return http.StatusBadRequest, map[string][]string{input.Field: input.Messages}
	case errors.As(err, &input):
		return http.StatusBadRequest, input.Messages
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, detail{fmt.Sprintf("The request is larger than %d bytes.", large.Limit)}
	}
	code, text := kind(err)
	var own sentence
	if errors.As(err, &own) && (code < http.StatusInternalServerError || code == http.StatusInsufficientStorage) {
		text = own.Detail()
	}
	return code, detail{text}
}

// kind is the code and the usual sentence of an error.
func kind(err error) (code int, text string) {
	switch {
	case errors.Is(err, pulp.ErrUnauthenticated):
		return http.StatusUnauthorized, "Authentication credentials were not provided."
	case errors.Is(err, pulp.ErrDenied):
		return http.StatusForbidden, "You do not have permission to perform this action."
	case errors.Is(err, pulp.ErrNotFound):
		return http.StatusNotFound, "Not found."
	case errors.Is(err, pulp.ErrConflict):
		return http.StatusConflict, "The state of the object does not allow this."
	case errors.Is(err, pulp.ErrBusy):
		return http.StatusServiceUnavailable, "The database is busy. Try again."
	case errors.Is(err, pulp.ErrRemote):
		return http.StatusBadGateway, "The remote does not deliver."
	case errors.Is(err, pulp.ErrClosed):
		return http.StatusServiceUnavailable, "The server is shutting down."
	case errors.Is(err, pulp.ErrFull):
		return http.StatusInsufficientStorage, "The storage is full."
	case diskFull(err):
		return http.StatusInsufficientStorage, "The disk is full."
	}
	return http.StatusInternalServerError, serverError
}

// diskFull knows the error of the system and the text of the database's.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		err != nil && strings.Contains(err.Error(), "database or disk is full")
}

// Error answers a request with an error as the API would: its kind ([pulp.ErrNotFound],
// [pulp.FieldErrors] and so on, wrapped or not) makes the code and the body, and an error of no
// kind is a 500 that tells the client nothing. What is no fault of the client is logged: by the
// App that the request's context carries ([pulp.App.With]), else by slog's default. It is for a
// host's own handlers; they must not have written anything.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	log := slog.Default()
	if app := pulp.FromContext(r.Context()); app != nil {
		log = app.Logger()
	}
	answerError(w, r, log, err)
}

// fail answers a request with an error of the API.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	answerError(w, r, s.log, err)
}

func answerError(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	code, body := judge(r, log, err)
	if code == http.StatusUnauthorized {
		challenge(w, r)
	}
	writeJSON(w, code, body)
}

// failText answers a request for content with an error, in words.
func (s *server) failText(w http.ResponseWriter, r *http.Request, err error) {
	code, body := s.judge(r, err)
	text := http.StatusText(code)
	switch body := body.(type) {
	case detail:
		text = body.Detail
	case pulp.FieldErrors:
		text = body.Error()
	case []string:
		text = strings.Join(body, " ")
	}
	if code == http.StatusUnauthorized {
		challenge(w, r)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintf(w, "%d: %s\n", code, text)
}

func (s *server) judge(r *http.Request, err error) (code int, body any) { return judge(r, s.log, err) }

// judge is fault for the error of a request, and tells the operator of those that are no
// fault of the client. A client that has left gets an answer that nobody reads; yet it is no
// success, should it be somebody else who ended the request.
func judge(r *http.Request, log *slog.Logger, err error) (code int, body any) {
	ctx := r.Context()
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return http.StatusServiceUnavailable, detail{"The request was canceled."}
	}
	code, body = fault(err)
	if code >= http.StatusInternalServerError {
		log.ErrorContext(ctx, "request failed", "error", err, "method", r.Method, "path", r.URL.Path,
			"correlation_id", pulp.CallerOf(ctx).CorrelationID)
	}
	return code, body
}
