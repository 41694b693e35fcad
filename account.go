package pulp
