"""GraphQL for storefronts and staff. Importing this package loads no GraphQL library: `endpoints` is the door."""
