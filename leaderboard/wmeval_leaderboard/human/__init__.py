"""The human study: two clips of one scene, one of them real. Who can tell which?"""
