"""Names of features: MIRP's short names (IBSI) and the pyradiomics names of the same quantities.

The pairs were checked by value (`Testing/Benchmarks/bench_radiomics.py`): intensities and textures equal to a relative
1e-5 on three regions; mesh volume and what follows from it differs slightly on some shapes (marching cubes).
"""

from __future__ import annotations

FAMILIES: dict[str, str] = {
    "morph": "shape",
    "stat": "first order",
    "ih": "first order (histogram)",
    "cm": "GLCM",
    "rlm": "GLRLM",
    "szm": "GLSZM",
    "ngl": "GLDM",
    "ngt": "NGTDM",
}
"""MIRP's prefix → family. IBSI calls the GLDM the neighboring gray level dependence matrix."""

ENDINGS = ("_d1_a0.0_3d", "_d1_3d_avg", "_3d_avg", "_3d")
"""Endings of MIRP's names that repeat settings; those with the bin width are cut where they begin."""

OF_THE_IMAGE = frozenset({"morph_com", "morph_integ_int", "morph_moran_i", "morph_geary_c"})
"""MIRP's shape features that also depend on intensities; pyradiomics has none of them, and they are left out."""

PYRADIOMICS: dict[str, str] = {
    "morph_volume": "shape_MeshVolume",
    "morph_vol_approx": "shape_VoxelVolume",
    "morph_area_mesh": "shape_SurfaceArea",
    "morph_av": "shape_SurfaceVolumeRatio",
    "morph_sphericity": "shape_Sphericity",
    "morph_diam": "shape_Maximum3DDiameter",
    "morph_pca_maj_axis": "shape_MajorAxisLength",
    "morph_pca_min_axis": "shape_MinorAxisLength",
    "morph_pca_least_axis": "shape_LeastAxisLength",
    "morph_pca_elongation": "shape_Elongation",
    "morph_pca_flatness": "shape_Flatness",
    "stat_mean": "firstorder_Mean",
    "stat_var": "firstorder_Variance",
    "stat_skew": "firstorder_Skewness",
    "stat_median": "firstorder_Median",
    "stat_min": "firstorder_Minimum",
    "stat_p10": "firstorder_10Percentile",
    "stat_p90": "firstorder_90Percentile",
    "stat_max": "firstorder_Maximum",
    "stat_iqr": "firstorder_InterquartileRange",
    "stat_range": "firstorder_Range",
    "stat_mad": "firstorder_MeanAbsoluteDeviation",
    "stat_rmad": "firstorder_RobustMeanAbsoluteDeviation",
    "stat_energy": "firstorder_Energy",
    "stat_total_energy": "firstorder_TotalEnergy",
    "stat_rms": "firstorder_RootMeanSquared",
    "ih_entropy": "firstorder_Entropy",
    "ih_uniformity": "firstorder_Uniformity",
    "cm_auto_corr": "glcm_Autocorrelation",
    "cm_clust_prom": "glcm_ClusterProminence",
    "cm_clust_shade": "glcm_ClusterShade",
    "cm_clust_tend": "glcm_ClusterTendency",
    "cm_contrast": "glcm_Contrast",
    "cm_corr": "glcm_Correlation",
    "cm_diff_avg": "glcm_DifferenceAverage",
    "cm_diff_entr": "glcm_DifferenceEntropy",
    "cm_diff_var": "glcm_DifferenceVariance",
    "cm_inv_diff": "glcm_Id",
    "cm_inv_diff_mom": "glcm_Idm",
    "cm_inv_diff_mom_norm": "glcm_Idmn",
    "cm_inv_diff_norm": "glcm_Idn",
    "cm_info_corr1": "glcm_Imc1",
    "cm_info_corr2": "glcm_Imc2",
    "cm_inv_var": "glcm_InverseVariance",
    "cm_joint_avg": "glcm_JointAverage",
    "cm_energy": "glcm_JointEnergy",
    "cm_joint_entr": "glcm_JointEntropy",
    "cm_joint_max": "glcm_MaximumProbability",
    "cm_sum_avg": "glcm_SumAverage",
    "cm_sum_entr": "glcm_SumEntropy",
    "cm_joint_var": "glcm_SumSquares",
    "rlm_glnu": "glrlm_GrayLevelNonUniformity",
    "rlm_glnu_norm": "glrlm_GrayLevelNonUniformityNormalized",
    "rlm_gl_var": "glrlm_GrayLevelVariance",
    "rlm_hgre": "glrlm_HighGrayLevelRunEmphasis",
    "rlm_lre": "glrlm_LongRunEmphasis",
    "rlm_lrhge": "glrlm_LongRunHighGrayLevelEmphasis",
    "rlm_lrlge": "glrlm_LongRunLowGrayLevelEmphasis",
    "rlm_lgre": "glrlm_LowGrayLevelRunEmphasis",
    "rlm_rl_entr": "glrlm_RunEntropy",
    "rlm_rlnu": "glrlm_RunLengthNonUniformity",
    "rlm_rlnu_norm": "glrlm_RunLengthNonUniformityNormalized",
    "rlm_r_perc": "glrlm_RunPercentage",
    "rlm_rl_var": "glrlm_RunVariance",
    "rlm_sre": "glrlm_ShortRunEmphasis",
    "rlm_srhge": "glrlm_ShortRunHighGrayLevelEmphasis",
    "rlm_srlge": "glrlm_ShortRunLowGrayLevelEmphasis",
    "szm_glnu": "glszm_GrayLevelNonUniformity",
    "szm_glnu_norm": "glszm_GrayLevelNonUniformityNormalized",
    "szm_gl_var": "glszm_GrayLevelVariance",
    "szm_hgze": "glszm_HighGrayLevelZoneEmphasis",
    "szm_lze": "glszm_LargeAreaEmphasis",
    "szm_lzhge": "glszm_LargeAreaHighGrayLevelEmphasis",
    "szm_lzlge": "glszm_LargeAreaLowGrayLevelEmphasis",
    "szm_lgze": "glszm_LowGrayLevelZoneEmphasis",
    "szm_zsnu": "glszm_SizeZoneNonUniformity",
    "szm_zsnu_norm": "glszm_SizeZoneNonUniformityNormalized",
    "szm_sze": "glszm_SmallAreaEmphasis",
    "szm_szhge": "glszm_SmallAreaHighGrayLevelEmphasis",
    "szm_szlge": "glszm_SmallAreaLowGrayLevelEmphasis",
    "szm_zs_entr": "glszm_ZoneEntropy",
    "szm_z_perc": "glszm_ZonePercentage",
    "szm_zs_var": "glszm_ZoneVariance",
    "ngl_dc_entr": "gldm_DependenceEntropy",
    "ngl_dcnu": "gldm_DependenceNonUniformity",
    "ngl_dcnu_norm": "gldm_DependenceNonUniformityNormalized",
    "ngl_dc_var": "gldm_DependenceVariance",
    "ngl_glnu": "gldm_GrayLevelNonUniformity",
    "ngl_gl_var": "gldm_GrayLevelVariance",
    "ngl_hgce": "gldm_HighGrayLevelEmphasis",
    "ngl_hde": "gldm_LargeDependenceEmphasis",
    "ngl_hdhge": "gldm_LargeDependenceHighGrayLevelEmphasis",
    "ngl_hdlge": "gldm_LargeDependenceLowGrayLevelEmphasis",
    "ngl_lgce": "gldm_LowGrayLevelEmphasis",
    "ngl_lde": "gldm_SmallDependenceEmphasis",
    "ngl_ldhge": "gldm_SmallDependenceHighGrayLevelEmphasis",
    "ngl_ldlge": "gldm_SmallDependenceLowGrayLevelEmphasis",
    "ngt_coarseness": "ngtdm_Coarseness",
    "ngt_contrast": "ngtdm_Contrast",
    "ngt_busyness": "ngtdm_Busyness",
    "ngt_complexity": "ngtdm_Complexity",
    "ngt_strength": "ngtdm_Strength",
}
"""Plain name → name in pyradiomics. Left out: `stat_kurt`, since IBSI's kurtosis is pyradiomics' less 3, and `cm_mcc`,
which differs from pyradiomics' MCC in the fourth digit."""


def plain_name(name: str) -> str | None:
    """MIRP's name without its settings, or None if it is not a feature of `FAMILIES` (or one of the image)."""
    if name.split("_")[0] not in FAMILIES or name in OF_THE_IMAGE:
        return None
    name = name.partition("_fbs")[0]
    for ending in ENDINGS:
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def family_of(name: str) -> str:
    """The family of a plain name; "other" for features of other programs."""
    return FAMILIES.get(name.split("_")[0], "other")
