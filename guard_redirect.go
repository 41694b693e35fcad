package pulp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// redirectDetail is the key of a guard that lets signed links through.
type redirectDetail struct {
	Key Secret `json:"key" pulp:"hidden"`
}

const (
	signedFor  = time.Hour
	tokenParam = "validate_token"
	saltSize   = 8
)

func redirectGuards() Part {
	return &GuardType[redirectDetail]{
		Name: "content_redirect", Class: "ContentRedirectContentGuard",
		valid: func(ctx context.Context, _ bun.IDB, old, m *Guard[redirectDetail]) error {
			if old == nil {
				m.Detail.Key = FromContext(ctx).sealText(rand.Text() + rand.Text())
			}
			return nil
		},
		Permit: func(ctx context.Context, g *Guard[redirectDetail], r *ContentRequest) error {
			return FromContext(ctx).checkSignature(g, r)
		},
	}
}

// SignContent returns the query of a link to a path below the content root that a
// content-redirect guard lets through for an hour, whoever follows it. It returns ErrNotFound if
// guard is none of those.
func (a *App) SignContent(ctx context.Context, guard ID, path string) (query string, err error) {
	typ := a.types[typeKey{guardKind, "core.content_redirect"}]
	g, err := NewModel[Guard[redirectDetail]]().First(ctx, a.db.Reader(), func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("g.pulp_id = ? AND g.pulp_type = ?", guard, typ)
	})
	if err != nil {
		return "", fmt.Errorf("sign a link: %w", err)
	}
	key, err := a.Reveal(g.Detail.Key)
	if err != nil {
		return "", fmt.Errorf("sign a link: %w", err)
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails: it ends the program instead
	query = "expires=" + strconv.FormatInt(a.clock().Add(signedFor).Unix(), 10)
	return query + "&" + tokenParam + "=" + hex.EncodeToString(salt) + ":" + a.signature(salt, path, query, key), nil
}

// signature is the digest of a link, in hex.
func (a *App) signature(salt []byte, path, query, key string) string {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(a.ContentPath() + path + "?" + query + key))
	return hex.EncodeToString(h.Sum(nil))
}

// checkSignature lets a request through whose query SignContent made for its path.
func (a *App) checkSignature(g *Guard[redirectDetail], r *ContentRequest) error {
	var rest []string
	values := map[string]string{}
	for part := range strings.SplitSeq(r.Query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if values[name] = value; name != tokenParam {
			rest = append(rest, part)
		}
	}
	token := strings.Replace(strings.ToLower(values[tokenParam]), "%3a", ":", 1)
	hexSalt, digest, _ := strings.Cut(token, ":")
	salt, err := hex.DecodeString(hexSalt)
	if err != nil || len(salt) == 0 {
		return Deny("Access not authenticated.")
	}
	key, err := a.Reveal(g.Detail.Key)
	if err != nil {
		return err
	}
	want := a.signature(salt, r.Path, strings.Join(rest, "&"), key)
	if subtle.ConstantTimeCompare([]byte(want), []byte(digest)) != 1 {
		return Deny("Access not authenticated.")
	}
	if until, err := strconv.ParseInt(values["expires"], 10, 64); err != nil || a.clock().Unix() > until {
		return Deny("The link has expired.")
	}
	return nil
}
