package pulp

import (
	"context"
	"fmt"
	"strings"
)

// A condition asks for a permission at some levels: on everything, on everything in the domain, on
// an object that the request has to do with.
type condition struct {
	what                  string // which object: "" for the one that the path names, "remote_param", ...
	model, domain, object bool
	permission            string
}

// uploadCondition is about the repository to which new content is to be added: there must be one.
const uploadCondition = "has_required_repo_perms_on_upload"

// parseCondition reads "has_<object>_<levels>_perms:<permission>".
func parseCondition(text string) (condition, error) {
	name, permission, _ := strings.Cut(text, ":")
	c := condition{permission: permission}
	app, verb, ok := strings.Cut(permission, ".")
	if name == uploadCondition {
		c.what, c.model, c.domain, c.object = "required_repository_param", true, true, true
	} else if !c.parse(name) {
		return c, sentencef("Unknown condition '%s'.", name)
	}
	if !ok || app == "" || !strings.Contains(verb, "_") {
		return c, sentencef("The condition '%s' needs a permission after a colon, like '%s:acme.view_acmeremote'.", name, name)
	}
	return c, nil
}

func (c *condition) parse(name string) bool {
	rest, begins := strings.CutPrefix(name, "has_")
	rest, ends := strings.CutSuffix(rest, "_perms")
	if !begins || !ends {
		return false
	}
	for _, levels := range []string{"model_or_domain_or_obj", "model_or_domain", "model_or_obj", "domain_or_obj", "model", "domain", "obj"} {
		what, ok := strings.CutSuffix("_"+rest, "_"+levels)
		if !ok {
			continue
		}
		for level := range strings.SplitSeq(levels, "_or_") {
			switch level {
			case "model":
				c.model = true
			case "domain":
				c.domain = true
			case "obj":
				c.object = true
			}
		}
		c.what = strings.TrimPrefix(what, "_")
		_, known := objectFinders()[c.what]
		return known
	}
	return false
}

// holds says whether the caller has the permission.
func (c condition) holds(ctx context.Context, q *question) (bool, error) {
	find := objectFinders()[c.what]
	param := strings.HasSuffix(c.what, "_param")
	if param && q.body == nil {
		q.waits = true
		return true, nil
	}
	if !param && c.everywhere(q) {
		return true, nil
	}
	s, given, err := find(ctx, q)
	switch {
	case err != nil:
		return false, fmt.Errorf("find what %s is about: %w", c.what, err)
	case param && !given:
		return c.what != "required_repository_param", nil
	case !given || param && s.stem != stemOf(c.permission):
		return false, nil
	case param && c.everywhere(q):
		return true, nil
	}
	return c.onObject(ctx, q, s.subject)
}

func (c condition) onObject(ctx context.Context, q *question, s subject) (bool, error) {
	if !c.object {
		return false, nil
	}
	return q.on(ctx, s, c.permission)
}

// everywhere says whether the caller has the permission on everything.
func (c condition) everywhere(q *question) bool {
	return c.model && q.model[c.permission] || c.domain && q.domain[c.permission]
}

// stemOf is "acme.acmeremote" of "acme.view_acmeremote".
func stemOf(permission string) string {
	app, rest, _ := strings.Cut(permission, ".")
	_, model, _ := cutLast(rest, "_")
	return app + "." + model
}

// A found object is one that a condition is about, with the stem of its permissions.
type foundObject struct {
	subject
	stem string
}

// An objectFinder finds the object that a condition is about; false if the request names none.
type objectFinder func(ctx context.Context, q *question) (foundObject, bool, error)

// objectFinders are what conditions may be about, by the word in their names.
func objectFinders() map[string]objectFinder {
	return map[string]objectFinder{
		"":                          pathObject,
		"repository":                parentObject,
		"group":                     parentObject,
		"user":                      parentObject,
		"repo_attr":                 repositoryAttribute,
		"remote_param":              bodyObject("remote"),
		"repo_or_repo_ver_param":    bodyObject("repository", "repository_version"),
		"publication_param":         bodyObject("publication"),
		"upload_param":              bodyObject("upload"),
		"required_repository_param": bodyObject("repository"),
	}
}

// pathObject is the object that the path names.
func pathObject(_ context.Context, q *question) (foundObject, bool, error) {
	return foundObject{subject: q.subject}, q.subject.id != 0, nil
}

// parentObject is the object below which the path leads.
func parentObject(ctx context.Context, q *question) (foundObject, bool, error) {
	parent := q.op.parent
	switch {
	case parent == nil:
		return pathObject(ctx, q)
	case q.above.id != 0:
		return q.above, true, nil
	}
	ids, err := q.app.findTargets(ctx, q.app.db.Reader(), []target{{end: parent, key: q.vars["pk"]}})
	if err != nil || ids[0] == 0 {
		return foundObject{}, false, err
	}
	return foundObject{subject{parent.kind.name, ids[0]}, parent.stem}, true, nil
}

// repositoryAttributes are the repositories that the objects of some kinds belong to.
var repositoryAttributes = map[string]string{
	versionKind:      "SELECT repository_id FROM repository_version WHERE id = ?",
	distributionKind: "SELECT coalesce(repository_id, 0) FROM distribution WHERE id = ?",
	publicationKind:  "SELECT v.repository_id FROM publication p JOIN repository_version v ON v.id = p.version_id WHERE p.id = ?",
}

// repositoryAttribute is the repository that the object in the path belongs to.
func repositoryAttribute(ctx context.Context, q *question) (foundObject, bool, error) {
	query := repositoryAttributes[q.subject.kind]
	if query == "" {
		return foundObject{}, false, nil
	}
	out := foundObject{subject: subject{kind: repositoryKind}}
	err := scanOne(ctx, q.app.db.Reader(), query, []any{q.subject.id}, &out.id)
	return out, out.id != 0, err
}

// bodyObject is the object that a member of the body names; of a version it is the repository.
func bodyObject(names ...string) objectFinder {
	return func(ctx context.Context, q *question) (foundObject, bool, error) {
		for _, name := range names {
			raw, ok := q.body.Fields[name]
			if !ok || isNull(raw) || unquoted(raw) == "" {
				continue
			}
			t, ok := q.app.parseTarget(ctx, unquoted(raw))
			if !ok {
				return foundObject{}, false, nil // the operation itself says what is wrong with it
			}
			if t.end.kind.name == versionKind {
				return q.repositoryOf(ctx, t)
			}
			ids, err := q.app.findTargets(ctx, q.app.db.Reader(), []target{t})
			if err != nil || ids[0] == 0 {
				return foundObject{}, false, err
			}
			return foundObject{subject{t.end.kind.name, ids[0]}, t.end.stem}, true, nil
		}
		return foundObject{}, false, nil
	}
}

// repositoryOf is the repository of a version.
func (q *question) repositoryOf(ctx context.Context, version target) (foundObject, bool, error) {
	db := q.app.db.Reader()
	ids, err := q.app.findTargets(ctx, db, []target{version})
	if err != nil || ids[0] == 0 {
		return foundObject{}, false, err
	}
	var id, typ int64
	row := db.DB.QueryRowContext(ctx, "SELECT r.id, r.pulp_type FROM repository_version v JOIN repository r ON r.id = v.repository_id WHERE v.id = ?", ids[0])
	if err := row.Scan(&id, &typ); err != nil {
		return foundObject{}, false, err
	}
	e := q.app.kinds[repositoryKind].ends[typ]
	if e == nil {
		return foundObject{}, false, nil
	}
	return foundObject{subject{repositoryKind, id}, e.stem}, true, nil
}
