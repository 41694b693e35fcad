package pulp

import "slices"

// What the types of the kinds ask for beyond the usual.

// needsView makes the conditions of actions that may name an object in their body, by what
// conditions call it: the caller must be able to view it. If it may be of several types, whose
// permissions differ, no condition says so; that nobody can name what they do not see holds anyhow.
func (r *registry) needsView(what string, actions []string, types func() []*endpoint) func() map[string][]string {
	return func() map[string][]string {
		ends, out := types(), map[string][]string{}
		if len(ends) != 1 {
			return nil
		}
		for _, action := range actions {
			out[action] = []string{"has_" + what + "_model_or_domain_or_obj_perms:" + ends[0].right("view")}
		}
		return out
	}
}

// typesOf are the endpoints of declared types of a kind.
func (r *registry) typesOf(kindName string, parts ...Part) (out []*endpoint) {
	for _, e := range r.kinds[kindName].sorted() {
		if slices.Contains(parts, r.declared[e]) {
			out = append(out, e)
		}
	}
	return out
}

// repositoryType is the type of repository whose versions are published.
func (t *PublicationType[D]) repositoryType(r *registry, owner Plugin) []*endpoint {
	if e := r.kinds[repositoryKind].labeled(owner.Name + "." + t.Repositories); e != nil {
		return []*endpoint{e}
	}
	return nil
}

// The permissions on content that belong to no model, and the role of those who label it.
const (
	labelContent   = "core.manage_content_labels"
	contentLabeler = "core.content_labeler"
)

// rules let those see content who see a repository that has it, and those create it who may modify
// the repository into which it goes.
func (t *ContentType[D]) rules(r *registry, owner Plugin) []rule {
	d := t.declaration()
	segment := d.segment
	if segment == "" {
		segment = d.name
	}
	upload := owner.Name + ".upload_" + segment
	r.roles[owner.Name+"."+t.Name+"_uploader"] = []string{upload}
	r.roles[contentLabeler] = []string{labelContent}
	rules := []rule{{[]string{"list", "retrieve"}, nil}, {[]string{"set_label", "unset_label"}, []string{onModel + labelContent}}}
	if t.FromFile == nil {
		return rules
	}
	rules = append(rules, rule{[]string{"upload"}, []string{onModel + upload}})
	for _, repository := range r.kinds[repositoryKind].sorted() {
		face, id := r.repositories[repository.typ], r.typesOf(contentKind, t)
		if face == nil || len(id) != 1 || !slices.Contains(face.content, id[0].typ) {
			continue
		}
		rules = append(rules, rule{[]string{"create"}, []string{
			uploadCondition + ":" + repository.right("modify"), uploadCondition + ":" + repository.right("view"),
			"has_upload_param_model_or_domain_or_obj_perms:core.change_upload"}})
	}
	return rules
}

// uploadRules let those add to an upload who made it, or have a role on it.
func uploadRules(g *guard) []rule {
	return []rule{
		{[]string{"list"}, nil}, {[]string{"create"}, []string{onModel + right(g.stem, "add")}}, {[]string{"retrieve"}, g.has("view")},
		{[]string{"update", "commit"}, g.has("change", "view")}, {[]string{"destroy"}, g.has("delete", "view")},
	}
}

// taskRules let those see and cancel a task who dispatched it, or have a role on it.
func taskRules(g *guard) []rule {
	g.extra = []string{"core.view_task_profile_artifacts"}
	return []rule{
		{[]string{"profile_artifacts"}, append(g.has("view"), onObject+g.extra[0])},
		{[]string{"list", "purge"}, nil}, {[]string{"retrieve"}, g.has("view")}, {[]string{"cancel"}, g.has("change", "view")},
		{[]string{"destroy"}, g.has("delete", "view")}, {[]string{"events"}, []string{onModel + right(g.stem, "view")}},
	}
}

// taskGroupRules let those see a group who see one of its tasks, and those cancel it who made it.
func taskGroupRules(*guard) []rule {
	return []rule{{[]string{"list", "retrieve"}, nil}, {[]string{"cancel"}, []string{onObject + "core.change_task"}}}
}
